"""After a rebalance, partitions of which nothing is committed are read from their beginning, whatever was fetched."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Producer

from ops.embedded_broker import BrokerProcess, start_embedded_broker
from schemas.topics import CHANGES, STATES
from streams.prompt_transport import PromptConsumerThread

RECORDS = 3
FRESH, COMMITTED, CHANGELOG = (TopicPartition(*tp) for tp in ((CHANGES, 0), (CHANGES, 1), (STATES, 0)))


class OneThread(PromptConsumerThread):
    """A consumer thread without the thread: calls are made where they come from."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self.app = SimpleNamespace(tables=SimpleNamespace(changelog_topics={STATES}))

    async def call_thread(self, fun: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
        return await fun(*args, **kwargs)


@pytest.fixture
def broker() -> Iterator[BrokerProcess]:
    broker = start_embedded_broker(2, [])
    yield broker
    broker.stop()


async def positions_after_seek(servers: str) -> dict[TopicPartition, int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, group_id="g", auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([FRESH, COMMITTED, CHANGELOG])
        read = 0
        while read < 3 * RECORDS:
            read += sum(len(records) for records in (await consumer.getmany(timeout_ms=1000)).values())
        await consumer.commit({COMMITTED: RECORDS - 1})
        await OneThread(consumer).seek_to_committed()
        return {tp: await consumer.position(tp) for tp in (FRESH, COMMITTED, CHANGELOG)}
    finally:
        await consumer.stop()


def test_partitions_without_a_commit_begin_again(broker: BrokerProcess) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
    for tp in (FRESH, COMMITTED, CHANGELOG):
        for n in range(RECORDS):
            producer.produce(tp.topic, str(n), "k", partition=tp.partition)
    assert producer.flush(10) == 0
    positions = asyncio.run(positions_after_seek(broker.bootstrap_servers))
    assert positions == {FRESH: 0, COMMITTED: RECORDS - 1, CHANGELOG: RECORDS}
