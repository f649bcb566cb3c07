"""The Faust table of item states: its changelog is `items.state`, and its writes can be waited for."""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import faust
import structlog
from faust.types import TP
from rocksdict import WriteBatch

from schemas.errors import LogGap, LookaliveError
from schemas.forgetting import forgotten_header
from schemas.item_state import Stamp
from schemas.settings import KafkaSettings
from schemas.unstalled import unstalled
from streams.delete_markers import Marker, due_markers, marker_stamp, note_marker, still_holds
from streams.delivery import Delivery, Headers, Offset
from streams.endings import end_now
from streams.gaps import oldest_offsets
from streams.log_stretches import KeptRecord
from streams.shipment import Outgoing
from streams.state_recovery import Logged, StateRecovery, joined
from streams.write_watch import WriteWatch

NOTED_EVERY, NOTED_EVERY_BYTES = 256, 1024 * 1024

log = structlog.get_logger()


class StateRow(NamedTuple):
    """A state to be written; `marker` when all that is left is that the item was deleted."""

    partition: int
    key: bytes
    value: bytes
    marker: bool


class StateTable(faust.Table):  # type: ignore[misc]
    """A table that is read and written by partition, and refuses to be rebuilt from a changelog with a hole.

    Faust writes to the partition of the event that its stream is at, one message object, future and note on disk per
    write. Here the partition is said, and a producer of ours, `delivery`, is asked. What is on disk and what its
    changelog holds are the same bytes either way, so that Faust recovers from them.
    """

    _kafka: KafkaSettings | None = None
    _void_after_s = float("inf")
    delivery: Delivery | None = None
    _unnoted: set[TP]
    _unnoted_writes, _unnoted_bytes = 0, 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.watch = WriteWatch()
        self._unstalled = unstalled()
        self.rebuilding = StateRecovery()
        # Markers whose null is on its way; a write of the item's takes it out.
        self._forgetting: dict[tuple[int, bytes], Marker] = {}

    def void_after(self, retention_s: float) -> None:
        """Rebuild a partition from its log's beginning where its file is older: the log may have lost deletes that the
        file has not seen, and what they deleted would live on.
        """
        self._void_after_s = retention_s

    def refuse_gaps(self, kafka: KafkaSettings) -> None:
        """Compare the changelog with what is kept here before it is read; the process ends at a hole."""
        self._kafka = kafka

    def holds(self, partition: int) -> bool:
        """Whether the partition's file is open here: it is, from its assignment until it is given away."""
        return partition in self.data._dbs

    def read(self, partition: int, item_id: str) -> bytes | None:
        """The item's encoded state."""
        return cast("bytes | None", self.data._db_for_partition(partition).get(item_id.encode()))

    async def write_all(self, rows: Sequence[StateRow]) -> Awaitable[object]:
        """Write states; the result is the changelog's answer for all of them. They go out in this order.

        A marker (see `streams.delete_markers`) is noted with its time. A crash between the file and the changelog is
        mended by the change itself, which comes again, is known as applied, and has its state written again. Where the
        disk takes no more, RocksDB's error is raised and nothing was sent.
        """
        assert self.delivery is not None
        files: dict[int, WriteBatch] = {}
        for partition, key, value, marker in rows:
            batch = files.get(partition)
            if batch is None:
                batch = files[partition] = WriteBatch(raw_mode=True)
            batch.put(key, value)
            if marker:
                note_marker(batch, key, value, time.time_ns() // 1000)
        for partition, batch in files.items():
            self.data._db_for_partition(partition).write(batch, self._unstalled)
        if self._forgetting:
            for row in rows:
                self._forgetting.pop((row.partition, row.key), None)
        topic = self.changelog_topic.get_topic_name()
        return await self.delivery.ship(
            [Outgoing(topic, row.partition, row.key, row.value) for row in rows], self._note
        )

    def held(self, partition: int, key: bytes) -> bytes | None:
        """The encoded state under this key."""
        return cast("bytes | None", self.data._db_for_partition(partition).get(key))

    def write_again(self, partition: int, key: bytes) -> Offset | None:
        """Write the held state once more, as the log's last record is another; None where none is held.

        Nothing is waited for between reading and sending, so that no newer write comes in between.

        Raises:
            BufferError: there is no room just now.
        """
        value = self.held(partition, key)
        return None if value is None else self._send_now(partition, key, value)

    def take_in(self, partition: int, records: Iterable[KeptRecord]) -> list[bytes]:
        """Join what others wrote to what is held; the items of which the last of these records has not all of it."""
        behind: dict[bytes, None] = {}
        db, now_us = self.data._db_for_partition(partition), time.time_ns() // 1000
        logged = (Logged(record.key, record.value, record.forgotten, now_us) for record in records)
        db.write(joined(db, logged, behind), self._unstalled)
        return list(behind)

    def write_null(self, partition: int, key: bytes, as_of: Stamp) -> Offset | None:
        """Say once more that an item was forgotten; None where it is there again.

        Raises:
            BufferError: there is no room just now.
        """
        return self._send_now(partition, key, None, as_of) if self.held(partition, key) is None else None

    def markers(self, partition: int, before_us: int, after: bytes, limit: int) -> list[Marker]:
        """Markers written before that time: see `streams.delete_markers.due_markers`."""
        return due_markers(self.data._db_for_partition(partition), before_us, after, limit)

    def forget(self, partition: int, marker: Marker) -> Offset:
        """Turn a marker into a null, and drop it here once the broker has that.

        Raises:
            BufferError: there is no room just now.
        """
        as_of = marker_stamp(self.held(partition, marker.item))
        assert as_of is not None
        sent = self._send_now(partition, marker.item, None, as_of)
        self._forgetting[partition, marker.item] = marker
        sent.add_done_callback(partial(self._on_forgotten, partition=partition, marker=marker))
        return sent

    def drop_if_stale(self, partition: int, marker: Marker) -> bool:
        """Drop an entry whose item was changed since; whether it was."""
        db = self.data._db_for_partition(partition)
        stale = not still_holds(marker, db.get(marker.item))
        if stale:
            db.delete(marker.key)
        return stale

    def _send_now(self, partition: int, key: bytes, value: bytes | None, as_of: Stamp | None = None) -> Offset:
        assert self.delivery is not None
        topic = self.changelog_topic.get_topic_name()
        headers: Headers | None = None if as_of is None else [forgotten_header(as_of)]
        sent = self.delivery.send_now(topic, partition, key, value, headers)
        sent.add_done_callback(partial(self._on_sent, tp=TP(topic, partition), size_bytes=len(value or b"")))
        return sent

    def _on_forgotten(self, sent: Offset, partition: int, marker: Marker) -> None:
        """The log has the null; what was written of the item since then stays."""
        unchanged = self._forgetting.pop((partition, marker.item), None) is not None
        if sent.cancelled() or sent.exception() is not None or not self.holds(partition):
            return
        batch = WriteBatch(raw_mode=True)
        batch.delete(marker.key)
        if unchanged:
            batch.delete(marker.item)
        self.data._db_for_partition(partition).write(batch)

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        """See `faust.tables.base.Collection.apply_changelog_batch`; older records do not replace newer ones."""
        by_partition: dict[TP, list[Any]] = {}
        for event in batch:
            by_partition.setdefault(event.message.tp, []).append(event.message)
        for tp, messages in by_partition.items():
            self.rebuilding.apply(self.data._db_for_partition(tp.partition), tp.partition, messages)
            self.data.set_persisted_offset(tp, max(message.offset for message in messages))

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """See `faust.tables.base.Collection.on_recovery_completed`; from here on the owner alone writes."""
        last = self.app.tables.recovery.active_highwaters
        for tp in active_tps:
            # One that was kept is watched on from where it is.
            if tp.partition not in self.watch.partitions:
                self.watch.begin(tp.partition, last[tp] + 1)
        await super().on_recovery_completed(active_tps, standby_tps)

    def _on_sent(self, sent: Offset, tp: TP, size_bytes: int) -> None:
        if not sent.cancelled() and sent.exception() is None:  # whoever waits for the write says what went wrong
            self._note(tp.topic, tp.partition, sent.result(), size_bytes)

    def _note(self, topic: str, partition: int, offset: int, size_bytes: int) -> None:
        """Note on disk how far the file agrees with the changelog; now and then, since a lower figure only means that
        some records are read again at a start.
        """
        self.watch.wrote(partition, offset)
        self._unnoted.add(TP(topic, partition))
        self._unnoted_writes += 1
        self._unnoted_bytes += size_bytes
        if self._unnoted_writes >= NOTED_EVERY or self._unnoted_bytes >= NOTED_EVERY_BYTES:
            for noted in self._unnoted:
                # What others wrote in between is not in the file before it was taken in.
                agreed = self.watch.agreed(noted.partition)
                if agreed and self.holds(noted.partition):
                    self._persist(noted.partition, agreed - 1)
            self._unnoted = set()
            self._unnoted_writes, self._unnoted_bytes = 0, 0

    def _persist(self, partition: int, offset: int) -> None:
        """As `set_persisted_offset`, but nobody waits or ends for a note that a full disk does not take."""
        try:
            self.data._db_for_partition(partition).put(self.data.offset_key, b"%d" % offset, self._unstalled)
        except Exception as error:  # noqa: BLE001  RocksDB's errors have no common class but this
            log.debug("offset_not_noted", partition=partition, error=str(error))

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """See `faust.tables.base.Collection.on_rebalance`: the partitions' files are open after it."""
        self._unnoted = set()
        self._forgetting.clear()
        for tp in (*revoked, *newly_assigned):
            self.watch.end(tp.partition)
            self.rebuilding.begin(tp.partition)
        for partition in {tp.partition for tp in newly_assigned} - set(self.data._dbs):
            self._void_if_old(partition)
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)
        if self._kafka is None:
            return
        mine = [tp for tp in newly_assigned if tp.topic in self.changelog_topic.topics]
        try:
            await asyncio.to_thread(self._check, self._kafka, mine)
        except LookaliveError as error:
            end_now(error)

    def _void_if_old(self, partition: int) -> None:
        folder = Path(self.data.partition_path(partition))
        times = [path.stat().st_mtime for path in folder.glob("*")]
        if times and time.time() - max(times) > self._void_after_s:
            log.warning("table_too_old", folder=str(folder), hours=round((time.time() - max(times)) / 3600, 1))
            shutil.rmtree(folder)

    def _check(self, kafka: KafkaSettings, tps: list[TP]) -> None:
        topic = self.changelog_topic.get_topic_name()
        oldest = oldest_offsets(kafka, topic, [tp.partition for tp in tps])
        for tp in tps:
            kept = self.persisted_offset(tp)
            wanted = 0 if kept is None else kept + 1
            if wanted < oldest[tp.partition]:
                raise LogGap(topic, tp.partition, wanted, oldest[tp.partition])
