"""Real stream workers on a real embedded broker, driven from outside by a plain Kafka client."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from confluent_kafka import Message, Producer, TopicPartition
from PIL import Image

from embedder.models.registry import load_encoder
from embedder.prepare import prepare_picture
from ops.child import die_with_parent
from ops.embedded_broker import BrokerProcess, start_embedded_broker
from schemas.changes import CatalogChange, decode_change, encode_change
from schemas.cluster import Generation, Installation, Placement
from schemas.cluster_log import publish
from schemas.item_state import ItemState, Origin, apply_change, decode_state
from schemas.kafka_clients import committed_offsets, end_offsets, make_reader
from schemas.rejects import Reject, decode_reject
from schemas.settings import ImageSettings, KafkaSettings, ModelSettings, Settings, environment_of
from schemas.topics import CHANGES, MERGE_GROUP, REJECTS, STATES, embed_group, vectors_topic
from schemas.vector_record import VectorRecord, decode_vector_record

GENERATION = "g1"
VECTORS = vectors_topic(GENERATION)
READY_S, SETTLE_S, POLL_S = 180.0, 120.0, 0.05
STOP_S = 30.0


class Raw(NamedTuple):
    """A record as read back."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]
    time_ms: int = 0


class Bench:
    """A broker with an installation of P partitions, and any number of workers."""

    def __init__(self, folder: Path, partitions: int = 12, backlog_mib: float = 1000.0, shards: int = 3) -> None:
        self.folder = folder
        self.broker: BrokerProcess = start_embedded_broker(partitions, [VECTORS])
        kafka = KafkaSettings(
            bootstrap_servers=self.broker.bootstrap_servers,
            embedded=True,
            partitions=partitions,
            backlog_mib=backlog_mib,
            session_timeout_ms=2000,
        )
        self.settings = Settings(
            data_dir=str(folder / "data"),
            kafka=kafka,
            model=ModelSettings(name="fake"),
            images=ImageSettings(any_file=True),
        )
        self.kafka = kafka
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self.producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "linger.ms": 2, "log_level": 0})
        self.oracle: dict[str, ItemState] = {}
        self.shards = shards

    def install(self, fingerprint: str | None = None) -> None:
        encoder = load_encoder(self.settings.model)
        generation = Generation(
            name=GENERATION,
            model=encoder.name,
            fingerprint=fingerprint or encoder.fingerprint,
            dimension=encoder.dimension,
            shards=self.shards,
        )
        placement = Placement(epoch=1, writer="test", serving=GENERATION, shards={GENERATION: [["n1"]] * self.shards})
        publish(self.kafka, Installation(partitions=self.kafka.partitions, log_id="log-1"), generation, placement)

    def start(self, worker: str = "1", *command: str) -> None:
        """Start a worker, or another module (and its arguments) that runs one."""
        settings = Settings(
            data_dir=self.settings.data_dir,
            kafka=self.kafka,
            model=self.settings.model,
            images=self.settings.images,
            retries=self.settings.retries,
            index=self.settings.index,
            stream=msgspec.structs.replace(self.settings.stream, id=worker),
        )
        environ = {n: v for n, v in os.environ.items() if not n.startswith("LOOKALIVE_")} | environment_of(settings)
        with self.log(worker).open("ab") as output:
            self.workers[worker] = subprocess.Popen(
                [sys.executable, "-m", *(command or ("streams.main",))],
                env=environ,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent,  # noqa: PLW1509  a test run that is broken off leaves nothing behind
            )

    def log(self, worker: str = "1") -> Path:
        return self.folder / f"stream-{worker}.log"

    def url(self, worker: str = "1") -> str | None:
        """The worker's address, once this very process has announced it."""
        path = self.settings.data_path / "run" / f"stream-{worker}.json"
        try:
            announced = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        return str(announced["url"]) if announced["pid"] == self.workers[worker].pid else None

    def get(self, path: str, worker: str = "1") -> tuple[int, str]:
        url = self.url(worker)
        if url is None:
            return 0, ""
        try:
            with urllib.request.urlopen(url + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def wait_ready(self, worker: str = "1") -> None:
        self.until(lambda: self.get("/readyz", worker)[0] == 200, READY_S, [worker])

    def metric(self, name: str, worker: str = "1", **labels: str) -> float:
        """The sum of a metric's samples that carry these labels."""
        _, text = self.get("/metrics", worker)
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        lines = [line for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if all(w in line for w in wanted))

    def kill(self, worker: str = "1") -> None:
        self.workers[worker].kill()
        self.workers[worker].wait()

    def terminate(self, worker: str = "1") -> int:
        """SIGTERM; the exit status."""
        self.workers[worker].send_signal(signal.SIGTERM)
        return self.workers[worker].wait(STOP_S)

    def send(self, change: CatalogChange | bytes | None, key: str | None, **extra: Any) -> None:
        """Produce as a plain client does (CRC32 of the key); the oracle learns of it when the broker has it."""
        value = encode_change(change) if isinstance(change, CatalogChange) else change
        time_ms = time.time_ns() // 1_000_000
        delivered = partial(self._delivered, time_ms * 1000)
        self.producer.produce(CHANGES, value, key, timestamp=time_ms, on_delivery=delivered, **extra)
        self.producer.poll(0)

    def flush(self) -> None:
        assert self.producer.flush(30) == 0

    def ends(self, topic: str) -> dict[int, tuple[int, int]]:
        reader = make_reader(self.kafka)
        try:
            return end_offsets(reader, topic, range(self.kafka.partitions))
        finally:
            reader.close()

    def settled(self) -> bool:
        """Whether every change is merged and every state embedded, as far as the groups have committed."""
        return self._done(MERGE_GROUP, CHANGES) and self._done(embed_group(GENERATION), STATES)

    def settle(self, workers: Iterable[str] = ("1",)) -> None:
        self.until(self.settled, SETTLE_S, workers)

    def until(self, reached: Callable[[], bool], timeout_s: float, workers: Iterable[str] = ("1",)) -> None:
        deadline = time.monotonic() + timeout_s
        while not reached():
            for worker in workers:
                assert self.workers[worker].poll() is None, f"the worker ended: {self.tail(worker)}"
            if time.monotonic() > deadline:
                pytest.fail("".join(self.tail(worker) for worker in workers))
            time.sleep(POLL_S)

    def tail(self, worker: str = "1") -> str:
        return f"\n--- stream/{worker} {self.get('/readyz', worker)}\n{self.log(worker).read_text()[-3000:]}"

    def read(self, topic: str) -> list[Raw]:
        """Everything the broker keeps of a topic, partition by partition."""
        reader = make_reader(self.kafka)
        found: list[Raw] = []
        try:
            for partition, (low, high) in end_offsets(reader, topic, range(self.kafka.partitions)).items():
                reader.assign([TopicPartition(topic, partition, low)])
                position = low
                while position < high:
                    message = reader.poll(10)
                    assert message is not None
                    assert message.error() is None
                    offset, value, headers = message.offset() or 0, message.value() or b"", message.headers() or []
                    time_ms = message.timestamp()[1]
                    found.append(Raw(partition, offset, message.key(), value, headers, time_ms))  # type: ignore[arg-type]
                    position = offset + 1
        finally:
            reader.close()
        return found

    def states(self) -> dict[str, ItemState]:
        """Every item's last state; each item lies in one partition only."""
        found: dict[str, tuple[int, ItemState]] = {}
        for raw in self.read(STATES):
            state = decode_state(raw.value)
            assert raw.key == state.item_id.encode()
            assert found.get(state.item_id, (raw.partition,))[0] == raw.partition
            found[state.item_id] = raw.partition, state
        return {item_id: state for item_id, (_, state) in found.items()}

    def vectors(self) -> dict[str, VectorRecord]:
        """Every item's record of the newest stamp."""
        found: dict[str, VectorRecord] = {}
        for raw in self.read(VECTORS):
            record = decode_vector_record(raw.value)
            item_id = (raw.key or b"").decode()
            if item_id not in found or record.image_at >= found[item_id].image_at:
                found[item_id] = record
        return found

    def rejects(self) -> list[Reject]:
        rows = []
        for raw in self.read(REJECTS):
            row = decode_reject(raw.value)
            assert dict(raw.headers)["reason"] == row.reason.encode()
            rows.append(row)
        return rows

    def close(self) -> None:
        for process in self.workers.values():
            if process.poll() is None:
                process.kill()
            process.wait()
        self.broker.stop()

    def _done(self, group: str, topic: str) -> bool:
        ends = self.ends(topic)
        committed = committed_offsets(self.kafka, group, topic, range(self.kafka.partitions))
        return all(max(committed[p], 0) == high for p, (_, high) in ends.items())

    def _delivered(self, time_us: int, error: object, message: Message) -> None:
        assert error is None
        try:
            change = decode_change(message.value(), message.key())
        except Exception:
            return
        origin = Origin(message.partition() or 0, message.offset() or 0, time_us)
        self.oracle[change.item_id] = apply_change(self.oracle.get(change.item_id), change, origin)


class Picture(NamedTuple):
    """A picture file, its reference, and the vector it must get."""

    ref: str
    vector: npt.NDArray[np.float32]
    fingerprint: bytes


def draw_pictures(folder: Path, count: int) -> list[Picture]:
    """Noise, seeded: every picture is different."""
    encoder = load_encoder(ModelSettings(name="fake"))
    pictures = []
    for n in range(count):
        pixels = np.random.default_rng(n).integers(0, 255, (48, 48, 3), dtype=np.uint8)
        path = folder / f"picture-{n}.png"
        Image.fromarray(pixels).save(path)
        prepared, fingerprint = prepare_picture(path.read_bytes(), None, encoder.preprocessing, ImageSettings())
        vector = encoder.encode(prepared[None]).vectors[0]
        pictures.append(Picture(f"file://{path}", vector, fingerprint))
    return pictures


def check_vectors(bench: Bench, pictures: list[Picture]) -> None:
    """Every item's newest record is what its last state asks for."""
    by_ref = {p.ref: p for p in pictures}
    found = bench.vectors()
    for item_id, state in bench.oracle.items():
        if state.live and state.image is not None and state.image.refs:
            wanted = [by_ref[ref] for ref in state.image.refs]
            record = found[item_id]
            assert record.image_at == state.image.at
            assert record.fingerprints == tuple(p.fingerprint for p in wanted)
            np.testing.assert_allclose(record.matrix(), np.stack([p.vector for p in wanted]), atol=2e-3)
        elif item_id in found:
            assert found[item_id].is_delete
