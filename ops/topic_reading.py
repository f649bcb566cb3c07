"""Reading a stretch of a topic from start to end, record by record."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, TopicPartition

from schemas.errors import LogError, NotReady
from schemas.kafka_clients import ANSWER_TIMEOUT_S, make_reader
from schemas.settings import KafkaSettings

Headers = list[tuple[str, bytes]]


class LogRecord(NamedTuple):
    """A record as the broker keeps it; `time_us` is its timestamp in microseconds since the epoch."""

    partition: int
    offset: int
    time_us: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def read_stretch(
    kafka: KafkaSettings, topic: str, starts: Mapping[int, int], ends: Mapping[int, int]
) -> Iterator[LogRecord]:
    """The records of each partition from its start up to, not with, its end; partition by partition, in order.

    Raises:
        NotReady: the broker stopped answering.
        LogError: it dropped the records meanwhile.
    """
    reader = make_reader(kafka)
    try:
        for partition in sorted(starts):
            if starts[partition] < ends.get(partition, 0):
                yield from _partition(reader, topic, partition, starts[partition], ends[partition])
    finally:
        reader.close()


def _partition(reader: Consumer, topic: str, partition: int, start: int, end: int) -> Iterator[LogRecord]:
    reader.assign([TopicPartition(topic, partition, start)])
    position = start
    while position < end:
        message = reader.poll(ANSWER_TIMEOUT_S)
        if message is None:
            # A compacted partition may end in records that are gone: the reader is past them without a message.
            (at,) = reader.position([TopicPartition(topic, partition)])
            if at.offset >= end:
                return
            raise NotReady(f"{topic}/{partition} stopped answering at offset {position} of {end}; try again")
        if message.error() is not None:
            raise LogError(f"{topic}/{partition} cannot be read at offset {position}: {message.error().str()}")
        kind, time_ms = message.timestamp()
        position = (message.offset() or 0) + 1
        if position > end:
            return
        headers = [(str(name), bytes(value or b"")) for name, value in message.headers() or []]
        time_us = 0 if kind == TIMESTAMP_NOT_AVAILABLE else time_ms * 1000
        yield LogRecord(partition, position - 1, time_us, message.key(), message.value(), headers)
