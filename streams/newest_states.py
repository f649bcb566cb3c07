"""Looking up in `items.state` which items have newer states than some that wait."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, TopicPartition

from schemas.errors import NotReady
from schemas.item_state import Stamp, decode_state
from schemas.kafka_clients import ANSWER_TIMEOUT_S, end_offsets, make_reader
from schemas.settings import KafkaSettings
from schemas.topics import STATES
from streams.embed_result import deciding_stamp

BATCH = 1000


async def overtaken_items(kafka: KafkaSettings, partition: int, since: int, stamps: Mapping[str, Stamp]) -> set[str]:
    """Of these items, those for which the partition holds, from offset `since` on, a state of a newer stamp or none
    any more.

    Raises:
        NotReady: the broker does not answer.
    """
    return await asyncio.to_thread(_look, kafka, partition, since, stamps)


def _look(kafka: KafkaSettings, partition: int, since: int, stamps: Mapping[str, Stamp]) -> set[str]:
    # The end is told by the broker: the last records before it may have been compacted away.
    options: dict[str, Any] = {"enable.partition.eof": True}
    reader = make_reader(kafka, **options)
    try:
        low, high = end_offsets(reader, STATES, [partition])[partition]
        found: set[str] = set()
        if since >= high:
            return found
        reader.assign([TopicPartition(STATES, partition, max(low, since))])
        while _take(reader, partition, stamps, found):
            pass
        return found
    finally:
        reader.close()


def _take(reader: Consumer, partition: int, stamps: Mapping[str, Stamp], found: set[str]) -> bool:
    """Adds the items of which a newer state is among the next records; whether there are more."""
    first = reader.poll(ANSWER_TIMEOUT_S)
    if first is None:
        raise NotReady(f"{STATES}/{partition} is not sent")
    for message in (first, *reader.consume(BATCH, 0)):
        if (error := message.error()) is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                return False
            raise NotReady(f"{STATES}/{partition} cannot be read: {error.str()}")
        key, value = message.key(), message.value()
        item_id = key.decode(errors="replace") if isinstance(key, bytes) else ""
        if item_id in stamps and (not isinstance(value, bytes) or _is_newer(value, stamps[item_id])):
            found.add(item_id)
    return True


def _is_newer(value: bytes, stamp: Stamp) -> bool:
    try:
        newest = deciding_stamp(decode_state(value))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return newest is not None and newest > stamp
