"""A shard node as a process, on an embedded broker, fed and asked directly."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import numpy as np
from confluent_kafka import Producer

from ops.child import die_with_parent
from ops.embedded_broker import BrokerProcess, start_embedded_broker
from schemas.cluster import Generation, Installation, Placement
from schemas.cluster_log import publish, read_cluster
from schemas.item_state import ItemState, encode_state
from schemas.kafka_clients import committed_offsets, end_offsets, make_producer, make_reader
from schemas.node_status import NodeStatus
from schemas.queries import ShardHits, ShardSearch, StoredItem, pack_vector
from schemas.settings import IndexSettings, KafkaSettings, NodeSettings, Settings, environment_of
from schemas.topics import STATES, partition_of, partitions_of, shard_group, shard_of, vectors_topic
from schemas.vector_record import VectorRecord, encode_vector_record
from tests.unit.shard.oracle import DIMENSION, MODEL

PARTITIONS, SHARDS = 6, 2
WAIT_S, POLL_S = 180.0, 0.05
GENERATION = Generation(name="g1", model="fake", fingerprint=MODEL, dimension=DIMENSION, shards=SHARDS)
VECTORS = vectors_topic("g1")


class NodeRig:
    """A broker with an installation, a producer of states and vectors, and one node process."""

    def __init__(self, folder: Path, **index: Any) -> None:
        self.folder = folder
        self.broker: BrokerProcess = start_embedded_broker(PARTITIONS, [VECTORS])
        self.kafka = KafkaSettings(
            bootstrap_servers=self.broker.bootstrap_servers, embedded=True, partitions=PARTITIONS
        )
        self.settings = Settings(
            data_dir=str(folder),
            kafka=self.kafka,
            node=NodeSettings(id="n1"),
            index=IndexSettings(**{"buffer_capacity": 64, "buffer_drain": 16, "snapshot_every_s": 1.0} | index),
        )
        self.producer: Producer = make_producer(self.kafka)
        self.process: subprocess.Popen[bytes] | None = None
        self.output = folder / "node.log"
        self.fixed_url: str | None = None

    def install(self, placed: list[list[str]] | None = None, generation: Generation = GENERATION) -> None:
        """Write the installation, the generation and a placement."""
        publish(
            self.kafka,
            Installation(partitions=PARTITIONS, log_id="log-1"),
            generation,
            Placement(epoch=1, writer="test", serving="g1", shards={"g1": placed or [["n1"]] * SHARDS}),
        )

    def start(self) -> None:
        """Start the node."""
        environ = {n: v for n, v in os.environ.items() if not n.startswith("LOOKALIVE_")}
        environ |= environment_of(self.settings) | {"OMP_NUM_THREADS": "1"}
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "index_shards.node.main"],
                env=environ,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent,  # noqa: PLW1509  a test run that is broken off leaves nothing behind
            )

    def kill(self) -> None:
        """SIGKILL the node."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """SIGTERM the node; its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def close(self) -> None:
        """End everything."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        self.broker.stop()

    # --- feeding

    def send_state(self, state: ItemState) -> None:
        self._send(STATES, state.item_id, encode_state(state))

    def send_vectors(self, item_id: str, record: VectorRecord) -> None:
        self._send(VECTORS, item_id, encode_vector_record(record))

    def send_raw(self, topic: str, item_id: str, value: bytes | None) -> None:
        self._send(topic, item_id, value)

    def flush(self) -> None:
        assert self.producer.flush(30) == 0

    def _send(self, topic: str, item_id: str, value: bytes | None) -> None:
        self.producer.produce(topic, value, item_id.encode(), partition_of(item_id, PARTITIONS))
        self.producer.poll(0)

    # --- asking

    @property
    def url(self) -> str:
        """The address in the node's own report, once the report is of the process that runs now."""
        if self.fixed_url is not None:
            return self.fixed_url

        def announced() -> str | None:
            report = read_cluster(self.kafka).nodes.get("n1")
            if report is None or self.process is None:
                return None
            try:
                return report.url if self.status_at(report.url).pid == self.process.pid else None
            except OSError:
                return None

        found = self.eventually(announced, bool)
        assert isinstance(found, str)
        return found

    def ask(self, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        request = urllib.request.Request(self.url + path, body, {"Content-Type": "application/msgpack"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    @staticmethod
    def status_at(url: str) -> NodeStatus:
        with urllib.request.urlopen(f"{url}/v1/status", timeout=30) as answer:
            return msgspec.json.decode(answer.read(), type=NodeStatus)

    def status(self) -> NodeStatus:
        return self.status_at(self.url)

    def ready(self) -> tuple[int, Any]:
        status, body = self.ask("/readyz")
        return status, json.loads(body)

    def item(self, item_id: str) -> StoredItem | None:
        shard = shard_of(partition_of(item_id, PARTITIONS), SHARDS)
        status, body = self.ask(f"/v1/shards/g1/{shard}/items/{quote(item_id, safe='')}")
        assert status in (200, 404), body
        return msgspec.msgpack.decode(body, type=StoredItem) if status == 200 else None

    def search(self, vector: np.ndarray, k: int, **options: Any) -> list[tuple[str, float]]:
        """The merged answer of every shard."""
        hits: list[tuple[str, float]] = []
        body = msgspec.msgpack.encode(ShardSearch(vector=pack_vector(vector), k=k, **options))
        for shard in range(SHARDS):
            status, answer = self.ask(f"/v1/shards/g1/{shard}/search", body)
            assert status == 200, answer
            hits += [(i, score) for i, score, _ in msgspec.msgpack.decode(answer, type=ShardHits).hits]
        return sorted(hits, key=lambda hit: (-hit[1], hit[0]))[:k]

    def wait_ready(self) -> None:
        self.eventually(lambda: self.ready()[0], lambda status: status == 200)

    def wait_applied(self) -> None:
        """Until every record written so far is applied."""
        reader = make_reader(self.kafka)
        ends = {t: {p: e[1] for p, e in end_offsets(reader, t, range(PARTITIONS)).items()} for t in (STATES, VECTORS)}
        reader.close()

        def applied() -> dict[str, dict[int, int]]:
            merged: dict[str, dict[int, int]] = {STATES: {}, VECTORS: {}}
            for shard in self.status().shards:
                for topic, offsets in shard.applied.items():
                    merged[topic] |= offsets
            return merged

        self.eventually(applied, lambda now: now == ends)

    def committed(self, shard: int) -> dict[str, dict[int, int]]:
        """What the shard's group has committed."""
        group, partitions = shard_group("g1", shard, "n1"), partitions_of(shard, SHARDS, PARTITIONS)
        return {topic: committed_offsets(self.kafka, group, topic, partitions) for topic in (STATES, VECTORS)}

    def eventually(self, look: Callable[[], Any], holds: Callable[[Any], bool]) -> Any:
        """Look until it holds; the last look is shown when it never does."""
        deadline_s = time.monotonic() + WAIT_S
        while True:
            last = look()
            if holds(last):
                return last
            assert self.process is None or self.process.poll() is None, self.log()
            assert time.monotonic() < deadline_s, f"{last}\n{self.log()}"
            time.sleep(POLL_S)

    def log(self) -> str:
        """The end of the node's log."""
        return self.output.read_text()[-5000:] if self.output.exists() else ""
