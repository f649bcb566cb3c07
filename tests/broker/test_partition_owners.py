"""Who has which partition is asked of the broker: a spare worker tells a full group from one that lacks somebody."""

import contextlib
import time
import uuid
from collections.abc import Callable

import msgspec
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient

from schemas.errors import NotReady
from schemas.kafka_clients import common_config, ensure_topics
from schemas.settings import KafkaSettings
from schemas.topics import TopicSpec
from streams.partition_owners import PartitionOwners, unowned

PARTITIONS, WITHIN_S = 3, 30.0


def eventually(look: Callable[[], object], expected: object, meanwhile: Callable[[float], object]) -> None:
    """A broker that just came up does not know its groups yet."""
    deadline_s, last = time.monotonic() + WITHIN_S, None
    while last != expected and time.monotonic() < deadline_s:
        meanwhile(0.1)
        with contextlib.suppress(NotReady):
            last = look()
    assert last == expected


async def test_what_nobody_has_is_named(kafka: KafkaSettings) -> None:
    topic, group = f"owners-{uuid.uuid4().hex}", f"group-{uuid.uuid4().hex}"
    ensure_topics(kafka, [TopicSpec(topic, PARTITIONS, {})])
    admin = AdminClient(common_config(kafka))
    eventually(lambda: unowned(admin, group, topic, PARTITIONS), [0, 1, 2], time.sleep)
    owners = PartitionOwners(msgspec.structs.replace(kafka, partitions=PARTITIONS))
    agents = [("merge", group, topic)]
    await owners.look(agents)
    assert owners.reason("merge") == f"no partitions, though nobody has {topic}/0, 1, 2"
    assert owners.notes() == {}
    member = Consumer(common_config(kafka) | {"group.id": group})
    member.subscribe([topic])
    eventually(lambda: unowned(admin, group, topic, PARTITIONS), [], member.poll)
    owners._next_s = 0.0
    await owners.look(agents)
    assert owners.reason("merge") is None
    assert list(owners.notes()) == ["merge"]
    await owners.look([])
    assert owners.notes() == {}
    member.close()
