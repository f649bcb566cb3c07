"""Reading a stretch of one partition back: what somebody else wrote there, or what was written before it."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, Message, TopicPartition

from schemas.errors import NotReady
from schemas.forgetting import forgotten_as_of
from schemas.item_state import Stamp
from schemas.kafka_clients import ANSWER_TIMEOUT_S, end_offsets, make_reader
from schemas.settings import KafkaSettings

BATCH = 500


class KeptRecord(NamedTuple):
    """A record as it lies in the log; `forgotten` is what a null says of itself. `offset` counts in its partition."""

    offset: int
    key: bytes
    value: bytes | None
    forgotten: Stamp | None


def read_back(
    kafka: KafkaSettings, topic: str, partition: int, begin: int, end: int | None, wanted: Callable[[bytes], bool]
) -> list[KeptRecord]:
    """The records of `kept_records` with wanted keys. Blocking; raises as that does."""
    return [record for record in kept_records(kafka, topic, partition, begin, end) if wanted(record.key)]


def kept_records(
    kafka: KafkaSettings, topic: str, partition: int, begin: int, end: int | None = None
) -> Iterator[KeptRecord]:
    """The records from `begin` up to `end` (None: where the partition ends now), as far as the broker keeps them.

    Raises:
        NotReady: the broker does not answer.
    """
    options: dict[str, Any] = {"enable.partition.eof": True}
    reader = make_reader(kafka, **options)
    try:
        low, high = end_offsets(reader, topic, [partition])[partition]
        begin, end = max(begin, low), high if end is None else min(end, high)
        if begin >= end:
            return
        reader.assign([TopicPartition(topic, partition, begin)])
        while True:
            first = reader.poll(ANSWER_TIMEOUT_S)
            if first is None:
                raise NotReady(f"{topic}/{partition} is not sent")
            for message in (first, *reader.consume(BATCH, 0)):
                if _is_end(message) or (message.offset() or 0) >= end:
                    return
                yield from _kept(message)
                if (message.offset() or 0) == end - 1:
                    return
    finally:
        reader.close()


def _is_end(message: Message) -> bool:
    error = message.error()
    if error is not None and error.code() != KafkaError._PARTITION_EOF:
        raise NotReady(f"{message.topic()}/{message.partition()} cannot be read: {error.str()}")
    return error is not None


def _kept(message: Message) -> Iterator[KeptRecord]:
    key, value = message.key(), message.value()
    if isinstance(key, bytes):
        forgotten = forgotten_as_of(message.headers()) if value is None else None
        yield KeptRecord(message.offset() or 0, key, value if isinstance(value, bytes) else None, forgotten)
