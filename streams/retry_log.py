"""Reading `catalog.retries` beside an event loop: partitions are named, paused and committed by hand."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from schemas.errors import LogGap
from schemas.kafka_clients import committed_offsets, end_offsets, make_reader
from schemas.settings import KafkaSettings
from schemas.topics import RETRIES, retry_group

BATCH = 500
QUEUED_KIB = 4096

log = structlog.get_logger()


class RawRetry(NamedTuple):
    """A record as it was read."""

    partition: int
    offset: int
    value: bytes | None


class Span(NamedTuple):
    """Where a partition is to be read on from, and its end at this moment."""

    position: int
    end: int


class RetryLog:
    """A consumer that belongs to no group's membership: its partitions are those the embed agent has been given.

    So the worker that writes an item's vectors is the one that tries it again, and a retry that waits for long neither
    holds up a rebalance nor depends on a heartbeat. Its group only keeps the commits.
    """

    def __init__(self, kafka: KafkaSettings, generation: str) -> None:
        self._kafka = kafka
        self._group = retry_group(generation)
        options = {"queued.max.messages.kbytes": QUEUED_KIB, "error_cb": _say}
        self._reader = make_reader(kafka, self._group, **options)
        self._paused: set[int] = set()
        self._reading: set[int] = set()

    async def spans(self, partitions: Iterable[int]) -> dict[int, Span]:
        """What there is to read of these partitions.

        Raises:
            LogGap: the embedded broker dropped records that were not done with; on a real cluster, where whatever is
                older than the topic's retention goes, that is said and reading begins with the oldest kept.
            NotReady: the broker does not answer.
        """
        return await asyncio.to_thread(self._spans, sorted(partitions))

    def _spans(self, partitions: list[int]) -> dict[int, Span]:
        done = committed_offsets(self._kafka, self._group, RETRIES, partitions)
        found: dict[int, Span] = {}
        for partition, (low, high) in end_offsets(self._reader, RETRIES, partitions).items():
            position = done[partition]
            if position < low and (position >= 0 or (self._kafka.embedded and low > 0)):
                gap = LogGap(RETRIES, partition, max(position, 0), low)
                if self._kafka.embedded:
                    raise gap
                log.error("retries_lost", partition=partition, wanted=position, oldest=low, error=gap.message)
            found[partition] = Span(min(max(position, low), high), high)
        return found

    def read_from(self, positions: Mapping[int, int]) -> None:
        """Read exactly these partitions from now on, from these offsets."""
        self._reader.assign([TopicPartition(RETRIES, p, offset) for p, offset in positions.items()])
        self._reading, self._paused = set(positions), set()

    def pause(self, full: Callable[[int], bool], roomy: Callable[[int], bool]) -> None:
        """Stop reading partitions that are `full`, and go on with paused ones once they are `roomy`."""
        stop = {p for p in self._reading - self._paused if full(p)}
        go_on = {p for p in self._paused if roomy(p)}
        if stop:
            self._reader.pause([TopicPartition(RETRIES, p) for p in stop])
        if go_on:
            self._reader.resume([TopicPartition(RETRIES, p) for p in go_on])
        self._paused = (self._paused | stop) - go_on

    def read(self) -> list[RawRetry]:
        """What has arrived; never waits.

        Raises:
            KafkaException: a partition cannot be read on; `spans` and `read_from` begin anew.
        """
        if not self._reading:
            return []
        found = []
        for message in self._reader.consume(BATCH, 0):
            if (error := message.error()) is not None:
                raise KafkaException(error)
            value = message.value()
            found.append(
                RawRetry(message.partition() or 0, message.offset() or 0, value if isinstance(value, bytes) else None)
            )
        return found

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Note in Kafka how far each partition is done with; not waited for."""
        if offsets:
            self._reader.commit(offsets=_positions(offsets), asynchronous=True)

    def close(self, offsets: Mapping[int, int]) -> None:
        """Commit a last time and give the connection back; waits for the broker, but not for long."""
        try:
            if offsets:
                self._reader.commit(offsets=_positions(offsets), asynchronous=False)
        except KafkaException as error:
            log.warning("retries_not_committed", error=str(error))
        self._reader.close()


def _positions(offsets: Mapping[int, int]) -> list[TopicPartition]:
    return [TopicPartition(RETRIES, partition, offset) for partition, offset in offsets.items()]


def _say(error: KafkaError) -> None:
    log.debug("kafka_client", error=error.str())
