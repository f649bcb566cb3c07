"""What compaction leaves of a bench's log, and a node that starts from nothing but that."""

import os
import signal
import subprocess
import sys
import time
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

import msgspec
import numpy as np
import numpy.typing as npt
from confluent_kafka import Producer

from schemas.cluster_log import read_cluster
from schemas.item_trace import ItemTrace
from schemas.kafka_clients import make_producer
from schemas.node_status import NodeStatus
from schemas.queries import ShardHits, ShardSearch, StoredItem, pack_vector
from schemas.settings import environment_of
from schemas.topics import STATES, partition_of, shard_of
from tests.process.stream_fixtures import GENERATION, VECTORS, Bench, Raw

WAIT_S, POLL_S = 60.0, 0.05


def last_records(bench: Bench, topic: str) -> dict[str, Raw]:
    """The last record of every item: all that compaction keeps. A null's value is empty."""
    return {(raw.key or b"").decode(): raw for raw in bench.read(topic)}


def produce(producer: Producer, topic: str, raw: Raw) -> None:
    """Write a record into its partition, as any client may."""
    producer.produce(topic, raw.value or None, raw.key, raw.partition, headers=list(raw.headers))


def copy_compacted(source: Bench, target: Bench) -> None:
    """Write what compaction leaves of one bench's states and vectors into another's log."""
    producer = make_producer(target.kafka)
    for topic in (STATES, VECTORS):
        for raw in last_records(source, topic).values():
            produce(producer, topic, raw)
    assert producer.flush(30) == 0


class BenchNode:
    """A node process on a bench's broker, with an empty folder."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._log = bench.folder / "node.log"
        environ = {n: v for n, v in os.environ.items() if not n.startswith("LOOKALIVE_")}
        environ |= environment_of(bench.settings) | {"OMP_NUM_THREADS": "1"}
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "index_shards.node.main"], env=environ, stdout=output, stderr=subprocess.STDOUT
            )
        self._url = ""
        self._wait_until_it_serves()

    def item(self, item_id: str) -> StoredItem | None:
        """The item as it can be found."""
        shard = shard_of(partition_of(item_id, self._bench.kafka.partitions), self._bench.shards)
        try:
            with urlopen(f"{self._url}/v1/shards/{GENERATION}/{shard}/items/{quote(item_id)}", timeout=30) as answer:
                return msgspec.msgpack.decode(answer.read(), type=StoredItem)
        except HTTPError as error:
            with error:
                assert error.code == 404, error.read()
            return None

    def trace(self, item_id: str) -> ItemTrace:
        """What is known of an item, whether it can be found or not."""
        shard = shard_of(partition_of(item_id, self._bench.kafka.partitions), self._bench.shards)
        body = msgspec.msgpack.encode([item_id])
        with urlopen(f"{self._url}/v1/shards/{GENERATION}/{shard}/traces", body, timeout=30) as answer:
            return msgspec.msgpack.decode(answer.read(), type=list[ItemTrace])[0]

    def found(self, vector: npt.NDArray[np.float32], wanted: dict[str, Any] | None = None) -> set[str]:
        """The items that a search finds, of all shards."""
        body = msgspec.msgpack.encode(ShardSearch(vector=pack_vector(vector), k=1000, filter=wanted))
        found: set[str] = set()
        for shard in range(self._bench.shards):
            with urlopen(f"{self._url}/v1/shards/{GENERATION}/{shard}/search", body, timeout=30) as answer:
                found |= {hit[0] for hit in msgspec.msgpack.decode(answer.read(), type=ShardHits).hits}
        return found

    def stop(self) -> None:
        """End it."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def _wait_until_it_serves(self) -> None:
        deadline_s = time.monotonic() + WAIT_S
        while not self._serves():
            assert self._process.poll() is None, self._log.read_text()[-3000:]
            assert time.monotonic() < deadline_s, self._log.read_text()[-3000:]
            time.sleep(POLL_S)

    def _serves(self) -> bool:
        report = read_cluster(self._bench.kafka).nodes.get("n1")
        if report is None:
            return False
        self._url = report.url
        with urlopen(f"{self._url}/v1/status", timeout=30) as answer:
            status = msgspec.json.decode(answer.read(), type=NodeStatus)
        return len(status.shards) == self._bench.shards and all(s.state == "serving" for s in status.shards)
