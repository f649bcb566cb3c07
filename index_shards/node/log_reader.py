"""Reading a shard's partitions of both topics, in order, noticing when the broker lost something.

On the embedded broker offsets have no holes, so a hole is a gap. On a real cluster the topics are compacted and holes
are as they should be; only an offset that is not there any more at all is a gap.
"""

import time
from collections.abc import Iterable
from typing import NamedTuple

import structlog
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, Message, TopicPartition

from index_shards.item_store import Offsets
from schemas.errors import LogError, LogGap
from schemas.forgetting import forgotten_as_of
from schemas.item_state import Stamp
from schemas.kafka_clients import end_offsets, make_reader
from schemas.settings import KafkaSettings

log = structlog.get_logger()

BATCH_RECORDS, BATCH_WAIT_S = 500, 0.05
LAG_EVERY_S, LAG_TIMEOUT_S = 1.0, 1.0
COMMIT_RETRY_S = 1.0
_LOST = (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE)


class LogRecord(NamedTuple):
    """One record, or, with `mark` set, only the word that everything before `offset` has been read.

    `time_us` is the record's timestamp in microseconds since the epoch, 0 where it has none. `forgotten` is the stamp
    as of which a null says that its item is forgotten.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    mark: bool = False
    time_us: int = 0
    forgotten: Stamp | None = None

    @property
    def size_bytes(self) -> int:
        return len(self.key or b"") + len(self.value or b"")


class LogReader:
    """One consumer with a fixed assignment; used by one thread.

    `lag()` counts records per topic and is -1 while the broker does not answer.
    """

    def __init__(self, kafka: KafkaSettings, group: str, topics: Iterable[str], partitions: Iterable[int]) -> None:
        self._contiguous = kafka.embedded
        self._topics, self._partitions = list(topics), list(partitions)
        self._consumer = make_reader(
            kafka,
            group,
            **{
                "enable.partition.eof": True,
                # A broker that is away is said once, here, not by the client at every attempt.
                "log_level": 2,
                "on_commit": self._on_commit,
                "error_cb": lambda error: log.debug("kafka_client", error=error.str()),
            },
        )
        self._next: dict[tuple[str, int], int] = {}
        self._ends: dict[tuple[str, int], int] = {}
        self._reachable = True
        self._looked_s = 0.0
        self._to_commit: Offsets = {}
        self._commit_due_s: float | None = None

    def start(self, offsets: Offsets | None) -> Offsets:
        """Assign from these offsets, or from the log's beginning; where each partition ends now.

        Raises:
            LogGap: the broker has dropped what comes next.
            LogError: the log is shorter than what was applied.
            NotReady: the broker does not answer.
        """
        assignment: list[TopicPartition] = []
        for topic in self._topics:
            for partition, (low, high) in end_offsets(self._consumer, topic, self._partitions).items():
                first = self._first(topic, partition, low, high, offsets)
                self._next[topic, partition] = first
                self._ends[topic, partition] = high
                # Where nothing was applied yet the beginning is left to the broker: it may move while we look.
                asked = OFFSET_BEGINNING if offsets is None and not self._contiguous else first
                assignment.append(TopicPartition(topic, partition, asked))
        self._consumer.assign(assignment)
        return {topic: {p: self._ends[topic, p] for p in self._partitions} for topic in self._topics}

    def positions(self) -> Offsets:
        """The next offset to be read, per partition."""
        return {topic: {p: self._next[topic, p] for p in self._partitions} for topic in self._topics}

    def read(self) -> list[LogRecord]:
        """The next records, in the order of each partition; empty when none came for a moment.

        Raises:
            LogGap: the broker has dropped what comes next.
        """
        records = [self._checked(m) for m in self._consumer.consume(BATCH_RECORDS, timeout=BATCH_WAIT_S)]
        self._commit_if_due()
        return [record for record in records if record is not None]

    def look_at_ends(self) -> None:
        """Ask the broker, not too often, where the partitions end, for the lag."""
        now_s = time.monotonic()
        if now_s - self._looked_s < LAG_EVERY_S:
            return
        try:
            for topic, partition in self._next:
                asked = TopicPartition(topic, partition)
                found = self._consumer.get_watermark_offsets(asked, timeout=LAG_TIMEOUT_S)
                if found is None:
                    self._set_reachable(False, "no answer in time")
                    break
                self._ends[topic, partition] = found[1]
            else:
                self._set_reachable(True, "")
        except KafkaException as error:
            self._set_reachable(False, error.args[0].str())
        self._looked_s = time.monotonic()

    def lag(self, applied: Offsets) -> dict[str, int]:
        """Per topic, how many records are there and not applied."""
        if not self._reachable:
            return dict.fromkeys(self._topics, -1)
        return {
            topic: sum(max(self._ends[topic, p] - applied[topic][p], 0) for p in self._partitions)
            for topic in self._topics
            if topic in applied
        }

    def commit(self, offsets: Offsets) -> None:
        """Tell the group how far we are; tried again until the broker has it, without waiting for it."""
        self._to_commit = {topic: dict(of) for topic, of in offsets.items()}
        self._commit_due_s = time.monotonic()
        self._commit_if_due()

    def settle(self, timeout_s: float) -> None:
        """Wait for an outstanding commit, but no longer than this."""
        deadline_s = time.monotonic() + timeout_s
        while self._to_commit and time.monotonic() < deadline_s:
            self._consumer.poll(0.02)
            self._commit_if_due()

    def close(self) -> None:
        """Give the connections back."""
        self._consumer.close()

    def _first(self, topic: str, partition: int, low: int, high: int, offsets: Offsets | None) -> int:
        first = (0 if self._contiguous else low) if offsets is None else offsets.get(topic, {}).get(partition, 0)
        if first < low:
            raise LogGap(topic, partition, first, low)
        if first > high:
            raise LogError(
                f"{topic}/{partition} ends at offset {high}, but {first} was applied: this is not the log it was",
                code="log_shorter",
                topic=topic,
                partition=partition,
            )
        return first

    def _checked(self, message: Message) -> LogRecord | None:
        topic, partition, offset = message.topic() or "", message.partition() or 0, message.offset() or 0
        error = message.error()
        if error is None:
            wanted = self._next[topic, partition]
            if offset > wanted and self._contiguous:
                raise LogGap(topic, partition, wanted, offset)
            self._next[topic, partition] = offset + 1
            time_us = max(message.timestamp()[1], 0) * 1000
            key, value = message.key(), message.value()
            forgotten = forgotten_as_of(message.headers()) if value is None else None
            return LogRecord(topic, partition, offset, key, value, time_us=time_us, forgotten=forgotten)
        if error.code() == KafkaError._PARTITION_EOF:
            return LogRecord(topic, partition, offset, None, None, mark=True)
        if error.code() in _LOST:
            raise LogGap(topic, partition, self._next[topic, partition], self._oldest(topic, partition))
        log.warning("log_not_read", topic=topic, partition=partition, error=error.str())
        return None

    def _oldest(self, topic: str, partition: int) -> int:
        """The oldest offset still there; when the broker does not say, the one after the missing one."""
        try:
            found = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=LAG_TIMEOUT_S)
        except KafkaException:
            found = None
        return self._next[topic, partition] + 1 if found is None else int(found[0])

    def _set_reachable(self, reachable: bool, error: str) -> None:
        if reachable != self._reachable:
            log.info("broker_is_back") if reachable else log.warning("broker_unreachable", error=error)
        self._reachable = reachable

    def _commit_if_due(self) -> None:
        if self._commit_due_s is None or time.monotonic() < self._commit_due_s:
            return
        self._commit_due_s = time.monotonic() + COMMIT_RETRY_S
        wanted = [TopicPartition(t, p, offset) for t, of in self._to_commit.items() for p, offset in of.items()]
        try:
            self._consumer.commit(offsets=wanted, asynchronous=True)
        except KafkaException as error:
            log.warning("offsets_not_committed", error=error.args[0].str())

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        failed = error or next((p.error for p in partitions if p.error is not None), None)
        if failed is not None:
            log.warning("offsets_not_committed", error=str(failed))
        elif all(self._to_commit.get(p.topic, {}).get(p.partition) == p.offset for p in partitions):
            self._to_commit, self._commit_due_s = {}, None
