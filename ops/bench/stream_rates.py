"""How many changes one stream worker takes per second of processor time, beside a no-op agent and a bare consumer.

A backlog is written first and its worker started then; what it has done is read from the offsets its groups commit, and
what that cost from the kernel's count of its processor time: a rate per core, whoever else uses the machine meanwhile.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from ops.bench.report import Row, row
from ops.bench.stream_baselines import bare_rate
from ops.bench.stream_changes import KINDS, ChangeKind, changes, seed_changes
from ops.catalog_writer import CatalogWriter
from ops.embedded_broker import start_embedded_broker
from ops.installation import FIRST_GENERATION, install
from ops.supervisor import EMBEDDED_SESSION_MS, replace_in
from schemas.changes import CatalogChange
from schemas.cluster_log import read_cluster
from schemas.errors import NotReady, SettingsError
from schemas.kafka_clients import committed_offsets, kept_offsets
from schemas.settings import KafkaSettings, Settings, environment_of
from schemas.topics import CHANGES, MERGE_GROUP, STATES, embed_group, vectors_topic

PATCHES_OF_NO_OP, UPSERTS_PER_S = 0.5, 1500
POLL_S, DONE_S, STOP_S = 0.1, 300.0, 20.0
# Shards that nobody follows would hold the worker back.
BACKLOG_MIB = 1000.0
_NOBODY = "bench"


class Rate(NamedTuple):
    """Changes per second of the worker's processor time, and of the clock."""

    per_core_s: float
    per_s: float


class Reader(NamedTuple):
    """A consumer group and the topic it has to read to its end."""

    group: str
    topic: str


OURS = (Reader(MERGE_GROUP, CHANGES), Reader(embed_group(FIRST_GENERATION), STATES))
NO_OP = (Reader("lookalive.bench.no-op", CHANGES),)
WORKER = ["-m", "streams.main"]
NO_OP_WORKER = ["-m", "ops.bench.stream_baselines", NO_OP[0].group, CHANGES]


def bench_rates(settings: Settings, count: int, seed: int) -> list[Row]:
    """A row per kind of change, and those they are measured against.

    Raises:
        NotReady: a worker does not start, or does not end its backlog.
        SettingsError: the Kafka given holds an installation.
    """
    rates: dict[ChangeKind, Rate] = {}
    with tempfile.TemporaryDirectory(prefix="lookalive-stream-") as folder, _installed(settings, folder) as system:
        _send(system.kafka, seed_changes(seed))
        with Worker(system, WORKER) as warm:
            warm.finish(OURS)
        for kind in KINDS:
            _send(system.kafka, changes(kind, count, seed))
            with Worker(system, WORKER) as worker:
                rates[kind] = worker.rate(OURS)
        bare = bare_rate(system.kafka, CHANGES)
        with Worker(system, NO_OP_WORKER) as worker:
            no_op = worker.rate(NO_OP)
    return _rows(rates, no_op, bare)


def _rows(rates: dict[ChangeKind, Rate], no_op: Rate, bare: float) -> list[Row]:
    unit = "changes per second and core"
    rows = [
        row("bare consumer", bare, unit),
        row("no-op Faust agent / bare consumer", no_op.per_core_s, unit, baseline=bare),
    ]
    for kind, rate in rates.items():
        name = "patches" if kind == "patch" else f"upserts, {kind}"
        if kind == "patch":
            judged = row(
                f"{name} / no-op Faust agent",
                rate.per_core_s,
                unit,
                baseline=no_op.per_core_s,
                at_least=PATCHES_OF_NO_OP,
            )
        else:
            least = UPSERTS_PER_S if kind == "new picture" else None
            judged = row(
                f"{name} / no-op Faust agent",
                rate.per_core_s,
                unit,
                baseline=no_op.per_core_s,
                at_least=least,
                of="value",
            )
        rows += [judged, row(f"{name}, by the clock", rate.per_s, "changes per second")]
    return rows


class Worker:
    """A process that reads topics; as a context, it ends with it."""

    def __init__(self, settings: Settings, arguments: list[str]) -> None:
        self._kafka = settings.kafka
        self._log = Path(settings.data_dir) / "worker.log"
        environ = {n: v for n, v in os.environ.items() if not n.startswith("LOOKALIVE_")} | environment_of(settings)
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, *arguments], env=environ, stdout=output, stderr=subprocess.STDOUT
            )

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def rate(self, readers: Sequence[Reader]) -> Rate:
        """Of the first reader's records, from its first commit until all are through: starting does not count."""
        first = self._done(readers[0])
        deadline_s = time.monotonic() + DONE_S
        while (begun := self._done(readers[0])) == first:
            self._wait(readers[0], deadline_s)
        begun_s, cpu_s = time.monotonic(), self._cpu_s()
        left = self._end(readers[0].topic) - begun
        self.finish(readers)
        took_s, took_cpu_s = time.monotonic() - begun_s, self._cpu_s() - cpu_s
        return Rate(left / max(took_cpu_s, 0.01), left / max(took_s, 0.01))

    def finish(self, readers: Sequence[Reader]) -> None:
        """Wait until every group has read its topic, one after the other.

        Raises:
            NotReady: the process ended, or took too long.
        """
        deadline_s = time.monotonic() + DONE_S
        for reader in readers:
            while self._done(reader) < self._end(reader.topic):
                self._wait(reader, deadline_s)

    def _wait(self, reader: Reader, deadline_s: float) -> None:
        if self._process.poll() is not None:
            words = self._log.read_text(errors="replace")[-500:]
            raise NotReady(f"the worker ended with exit status {self._process.returncode}: {words}")
        if time.monotonic() > deadline_s:
            raise NotReady(f"{reader.group} has not read {reader.topic} within {DONE_S:.0f} s")
        time.sleep(POLL_S)

    def _done(self, reader: Reader) -> int:
        partitions = range(self._kafka.partitions)
        return sum(max(o, 0) for o in committed_offsets(self._kafka, reader.group, reader.topic, partitions).values())

    def _end(self, topic: str) -> int:
        return sum(high for _, high in kept_offsets(self._kafka, topic, range(self._kafka.partitions)).values())

    def _cpu_s(self) -> float:
        """Processor time of the process and its threads, in seconds (proc(5): utime and stime)."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _send(kafka: KafkaSettings, batch: Iterable[CatalogChange]) -> None:
    writer = CatalogWriter(kafka)
    try:
        for change in batch:
            writer.write(change)
        writer.flush()
    finally:
        writer.close()


@contextmanager
def _installed(settings: Settings, folder: str) -> Iterator[Settings]:
    """A broker with an installation whose shards nobody follows; a real one when its address is set."""
    settings = replace_in(msgspec.structs.replace(settings, data_dir=folder), "model", name="fake")
    if settings.kafka.bootstrap_servers:
        if read_cluster(settings.kafka).installation is not None:
            raise SettingsError(
                "this Kafka holds an installation, which the benchmark's items would get into: use another"
            )
        install(settings, [_NOBODY])
        yield settings
        return
    broker = start_embedded_broker(settings.kafka.partitions, [vectors_topic(FIRST_GENERATION)])
    try:
        settings = replace_in(
            settings,
            "kafka",
            bootstrap_servers=broker.bootstrap_servers,
            embedded=True,
            session_timeout_ms=EMBEDDED_SESSION_MS,
            backlog_mib=BACKLOG_MIB,
        )
        install(settings, [_NOBODY])
        yield settings
    finally:
        broker.stop()
