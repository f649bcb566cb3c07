"""The thread that keeps one shard up with its topics: restore, replay, follow, snapshot."""

import threading
import time

import msgspec
import structlog
from confluent_kafka import KafkaException

from index_shards.applying import Applied
from index_shards.item_store import Offsets
from index_shards.node.freshness_notes import FreshnessNotes
from index_shards.node.log_reader import LogReader, LogRecord
from index_shards.node.metrics import NodeMetrics
from index_shards.node.news_ring import NewsRing
from index_shards.node.snapshot_schedule import SnapshotSchedule
from index_shards.shard import Shard
from index_shards.shard_state import ShardState
from schemas.canary import is_canary
from schemas.errors import Busy, DiskFailed, LogError, LogGap, NotReady
from schemas.item_state import decode_state
from schemas.settings import KafkaSettings
from schemas.topics import STATES, vectors_topic
from schemas.vector_record import decode_vector_record

log = structlog.get_logger()

RETRY_S, FAILED_OPEN_S, FULL_BUFFER_WAIT_S = 1.0, 5.0, 0.002
# A last snapshot is only taken when the one before was quick, and its commit waited for no longer than this.
QUICK_SNAPSHOT_S, LAST_COMMIT_S = 2.0, 1.0


class Follower:
    """Follows the partitions of one shard; the only one that applies to it.

    `applied` is the next offset of each partition to be applied.
    """

    def __init__(
        self,
        shard: Shard,
        kafka: KafkaSettings,
        group: str,
        partitions: list[int],
        schedule: SnapshotSchedule,
        metrics: NodeMetrics,
        news: NewsRing,
    ) -> None:
        self._shard, self._kafka, self._group, self._partitions = shard, kafka, group, partitions
        self._schedule, self._metrics, self._news = schedule, metrics, news
        self._labels = (shard.generation.name, str(shard.number))
        self._vectors = vectors_topic(shard.generation.name)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"follower-{group}", daemon=True)
        self._fresh = FreshnessNotes(metrics, *self._labels)
        self._log = log.bind(generation=self._labels[0], shard=shard.number)
        self._start: tuple[Offsets | None] | None = None
        self._first: Offsets = {}
        self._ends: Offsets = {}
        self.applied: Offsets = {}
        self.lag: dict[str, int] = {}

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """End soon, with a last snapshot where that is quick."""
        self._stop.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; whether it came."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def replayed_share(self) -> float | None:
        """How much of what the log held at the start has been applied, 0 to 1; None before that is known."""
        wanted = [(t, p, end) for t, ends in self._ends.items() for p, end in ends.items()]
        first, applied = self._first, self.applied
        if not first or not wanted:
            return None
        missing = sum(max(end - first[t][p], 0) for t, p, end in wanted)
        left = sum(max(end - applied[t][p], 0) for t, p, end in wanted)
        return 1 - left / missing if missing else 1.0

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    self._follow()
                except DiskFailed as error:
                    self._log.warning("shard_waits_for_disk", reason=error.message)
                    self._stop.wait(FAILED_OPEN_S)
                except (NotReady, KafkaException) as error:
                    self._log.warning("shard_waits_for_broker", error=str(error))
                    self._stop.wait(RETRY_S)
        except LogError as error:
            if isinstance(error, LogGap):
                self._metrics.log_gaps.labels(*self._labels).inc()
            self._log.error("shard_failed", error=error.message, **error.details)
            self._shard.fail(error.message)
        except Exception as error:  # noqa: BLE001 - the thread ends here, and the shard says so instead of going stale
            self._log.exception("shard_failed")
            self._shard.fail(f"{type(error).__name__}: {error}")

    def _follow(self) -> None:
        """Open the shard once, then follow until told to stop.

        Raises:
            NotReady: the broker does not answer at the start.
            LogError: the log is not what it must be.
        """
        if self._start is None:
            self._log.info("shard_opens")
            self._start = (self._shard.open(),)
            self._log.info("shard_opened", restored=self._start[0] is not None, items=self._shard.counts().items)
        reader = LogReader(self._kafka, self._group, [STATES, self._vectors], self._partitions)
        try:
            self._assign(reader)
            while not self._stop.is_set():
                self._step(reader)
            self._leave(reader)
        finally:
            reader.close()

    def _assign(self, reader: LogReader) -> None:
        assert self._start is not None
        (offsets,) = self._start
        try:
            self._ends = reader.start(offsets)
        except LogGap as gap:
            if offsets is None or self._kafka.embedded:
                raise
            # A compacted log holds every item's last record, so that the shard can be made from its beginning.
            self._log.warning("snapshot_too_old", error=gap.message)
            self._start = (self._shard.open(use_snapshots=False),)
            self._ends = reader.start(None)
        self.applied = reader.positions()
        self._first = {topic: dict(of) for topic, of in self.applied.items()}
        self._schedule.begin()
        if self._start[0] is not None:
            reader.commit(self.applied)

    def _step(self, reader: LogReader) -> None:
        for record in reader.read():
            if not self._apply(record, reader):
                return
        if self._shard.state is ShardState.REPLAYING and self._caught_up():
            self._shard.serve()
            self._log.info("shard_serves", items=self._shard.counts().items)
        if self._schedule.due(self._shard.snapshot_us):
            self._snapshot(reader)
        self._look_at_lag(reader)

    def _look_at_lag(self, reader: LogReader) -> None:
        reader.look_at_ends()
        self.lag = reader.lag(self.applied)

    def _leave(self, reader: LogReader) -> None:
        if self._schedule.changed and self._schedule.last_took_s <= QUICK_SNAPSHOT_S:
            self._snapshot(reader)
        reader.settle(LAST_COMMIT_S)

    def _caught_up(self) -> bool:
        return all(self.applied[t][p] >= end for t, ends in self._ends.items() for p, end in ends.items())

    def _snapshot(self, reader: LogReader) -> None:
        """Write a snapshot and commit what it holds; a failure is said and tried again later."""
        started_s = time.perf_counter()
        try:
            snapshot = self._shard.snapshot({topic: dict(of) for topic, of in self.applied.items()})
        except Exception as error:  # noqa: BLE001 - RocksDB raises nothing narrower, and searches need no snapshot
            self._metrics.snapshots_failed.labels(*self._labels).inc()
            self._schedule.failed()
            if isinstance(error, DiskFailed):
                self._log.warning("snapshot_waits_for_disk", reason=error.message)
            else:
                self._log.exception("snapshot_failed")
            return
        took_s = time.perf_counter() - started_s
        self._metrics.snapshot_seconds.labels(*self._labels).observe(took_s)
        self._schedule.taken(took_s)
        reader.commit(snapshot.manifest.offsets)
        self._log.debug("snapshot_written", folder=str(snapshot.folder), seconds=round(took_s, 3))

    def _apply(self, record: LogRecord, reader: LogReader) -> bool:
        """Apply one record, waiting for room in the buffer; False when told to stop before it was applied."""
        if not record.mark:
            taken_us = time.time_ns() // 1000
            try:
                applied = self._apply_patiently(record, reader)
            except (ValueError, msgspec.MsgspecError) as error:
                self._log.warning("record_unusable", topic=record.topic, offset=record.offset, error=str(error))
                self._count(record.topic, "undecodable")
            else:
                if applied is None:
                    return False
                self._count(record.topic, applied.outcome.value)
                if applied.delay_us is not None and self._shard.state.answers:
                    seconds = self._metrics.searchable_seconds.labels(*self._labels, record.topic)
                    seconds.observe(max(applied.delay_us, 0) / 1e6)
                    self._fresh.note(record, taken_us, applied)
                    self._tell(record, applied)
            self._schedule.note(record.topic, record.partition, record.size_bytes)
        next_offset = record.offset if record.mark else record.offset + 1
        self.applied[record.topic][record.partition] = max(self.applied[record.topic][record.partition], next_offset)
        return True

    def _tell(self, record: LogRecord, applied: Applied) -> None:
        """Let those who listen know what searches show now."""
        if applied.kind is not None and applied.delay_us is not None and not is_canary((record.key or b"").decode()):
            generation, event_us = self._shard.generation.name, applied.searchable_us - applied.delay_us
            item_id = (record.key or b"").decode()
            self._news.note(item_id, applied.kind, generation, self._shard.number, event_us, applied.searchable_us)

    def _apply_patiently(self, record: LogRecord, reader: LogReader) -> Applied | None:
        waits = False
        while not self._stop.is_set():
            try:
                return self._apply_once(record)
            except Busy:
                # The drainer makes room; what is not consumed meanwhile waits in the log.
                self._stop.wait(FULL_BUFFER_WAIT_S)
            except DiskFailed as error:
                if not waits:
                    self._log.warning("shard_waits_for_disk", reason=error.message)
                waits = True
                self._look_at_lag(reader)
                self._stop.wait(RETRY_S)
        return None

    def _apply_once(self, record: LogRecord) -> Applied:
        item_id = (record.key or b"").decode()
        if not item_id:
            raise ValueError("a record needs the item's id as its key")
        if record.value is None and record.forgotten is None:
            raise ValueError("a null must say as of when its item is forgotten")
        if record.topic == STATES:
            if record.value is None:
                return self._shard.forget_state(item_id, record.forgotten)
            state = decode_state(record.value)
            if state.item_id != item_id:
                raise ValueError(f"the state of {state.item_id!r} under the key {item_id!r}")
            return self._shard.apply_state(state)
        if record.value is None:
            return self._shard.forget_vectors(item_id, record.forgotten)
        return self._shard.apply_vectors(item_id, decode_vector_record(record.value))

    def _count(self, topic: str, outcome: str) -> None:
        self._metrics.records.labels(*self._labels, topic, outcome).inc()
