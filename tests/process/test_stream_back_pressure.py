"""A slow reader holds the worker back, so that the embedded broker never drops what it has not read."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition

from schemas.backlog import Backlog, Gate, Reader
from schemas.changes import CatalogChange
from schemas.kafka_clients import make_reader
from schemas.settings import KafkaSettings
from schemas.topics import CHANGES, MERGE_GROUP, STATES, shard_group
from tests.process.stream_fixtures import Bench

ITEMS, VALUE_BYTES = 400, 40_000


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, partitions=1, backlog_mib=1.0, shards=1)
    yield bench
    bench.close()


class SlowShard:
    """Reads states in order and commits them, as a shard's snapshot would."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._reader = make_reader(kafka, shard_group("g1", 0, "n1"))
        self._reader.assign([TopicPartition(STATES, 0, 0)])
        self.offsets: list[int] = []

    def read(self, most: int) -> None:
        """Read what is there, at most so many, and commit."""
        for _ in range(most):
            message = self._reader.poll(0.1)
            if message is None:
                break
            assert message.error() is None
            self.offsets.append(message.offset() or 0)
        if self.offsets:
            position = TopicPartition(STATES, 0, self.offsets[-1] + 1)
            self._reader.commit(offsets=[position], asynchronous=False)

    def close(self) -> None:
        self._reader.close()


def test_states_wait_for_their_slowest_reader(bench: Bench) -> None:
    bench.install()
    bench.start()
    bench.wait_ready()
    shard = SlowShard(bench.kafka)
    ours = Backlog(bench.kafka, CHANGES, lambda: [Reader(MERGE_GROUP, [0])])
    gate = Gate(ours, bench.kafka)
    sent = 0
    while sent < ITEMS:
        for _ in range(10):
            blob = os.urandom(VALUE_BYTES // 2).hex()
            change = CatalogChange(op="patch", item_id=f"sku-{sent}", attributes={"blob": blob})
            bench.send(change, change.item_id)
            gate.note(VALUE_BYTES)
            sent += 1
        bench.flush()
        while gate.must_ask() and not gate.ask():
            shard.read(5)
    assert bench.metric("lookalive_stream_stage_seconds_count", stage="gate") > 0
    while len(shard.offsets) < ITEMS:
        shard.read(10)
    assert shard.offsets == list(range(ITEMS))
    assert bench.ends(STATES)[0][0] > 0, "the broker dropped what was read: without waiting it would have dropped more"
    shard.close()
    ours.close()
