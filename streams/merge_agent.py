"""The merge agent: catalogue changes into item states, one by one and in the order of each partition."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from embedder.image_store import ImageStore
from schemas.backlog import Gate
from schemas.debezium import ChangeDecoder
from schemas.settings import MIB, Settings
from schemas.topics import CHANGES, MERGE_GROUP, REJECTS, STATES
from streams.agent import Agent, Writes, end_with, time_us_of
from streams.faust_app import make_app, raw_topic
from streams.intake import Intake
from streams.merge import Incoming, Merged, MergeHandler
from streams.metrics import StreamMetrics
from streams.origin import ChangeRecord
from streams.picture_storing import PictureStoring, Stored
from streams.state_batch import StateBatch
from streams.state_keeper import StateKeeper
from streams.state_table import StateTable

IN_FLIGHT, TAKEN_AT_ONCE = 512, 64
# Per partition; Faust's defaults would let a dozen of them take gigabytes, these let them take 192 MiB.
TABLE_OPTIONS = {"write_buffer_size": 4 * MIB, "max_write_buffer_number": 2, "block_cache_size": 8 * MIB}
HALF_A_MILLISECOND_US = 500


class _Taken(NamedTuple):
    """A change that was read."""

    message: Any
    record: ChangeRecord
    read: Incoming | Merged

    @property
    def brings_pictures(self) -> Incoming | None:
        """The change, where pictures that came inside it must be stored first."""
        return self.read if isinstance(self.read, Incoming) and self.read.brings_pictures else None


class _Batch(NamedTuple):
    """Changes that were taken together; `storing` gives those of them that bring pictures, once these are stored."""

    changes: list[_Taken]
    storing: list[Stored]


class _Written(NamedTuple):
    """What became of the first `taken` changes: those that were merged, and what is awaited before they are done."""

    taken: int
    merged: list[tuple[_Taken, Merged]]
    writes: Writes


class MergeAgent(Agent):
    """Consumes `catalog.changes` as `lookalive.merge`; a change is acknowledged when what follows from it is.

    Changes are read, merged and written as many at a time as lie there, in their order.

    process()  read ------> settle at once, while nothing waits for its pictures
                 |
                 +--store pictures, several changes at once--> _settle_later()  settle, in the order taken
    """

    name = "merge"
    source = CHANGES

    def __init__(self, settings: Settings, folder: Path, store: ImageStore, gate: Gate, metrics: StreamMetrics) -> None:
        kafka = settings.kafka
        super().__init__(make_app(MERGE_GROUP, kafka, folder), MERGE_GROUP, kafka, gate, metrics, IN_FLIGHT)
        self._folder = folder
        self._store, self._store_path = store, settings.image_store_path
        decode = ChangeDecoder(settings.debezium)
        self._handler = MergeHandler(kafka.partitions, self._put_pictures, settings.images.max_bytes, decode)
        self._changes = raw_topic(self.app, CHANGES, kafka.partitions)
        self._rejects = raw_topic(self.app, REJECTS, kafka.partitions)
        self._table: StateTable = self.app.Table(
            "states",
            partitions=kafka.partitions,
            key_type=bytes,
            value_type=bytes,
            changelog_topic=raw_topic(self.app, STATES, kafka.partitions),
            options=dict(TABLE_OPTIONS),
        )
        if kafka.embedded:
            self._table.refuse_gaps(kafka)
        self._table.delivery = self._delivery
        retention_s = settings.index.delete_retention_s
        self._table.void_after(retention_s)
        self._keeper = StateKeeper(kafka, self._table, retention_s, metrics, self._keeps, self._merged)
        self._merge_seconds = metrics.stage_seconds.labels("merge")
        self._storing = PictureStoring(self._handler.keep_pictures)
        self._later: asyncio.Queue[_Batch] = asyncio.Queue(IN_FLIGHT // TAKEN_AT_ONCE)
        self._waiting = 0
        self.attach(self._changes)

    async def stop(self) -> None:
        """See `Agent.stop`."""
        await super().stop()
        self._storing.stop()

    async def process(self, stream: Any) -> None:
        """See `Agent.process`."""
        settling = asyncio.create_task(self._settle_later(), name="merge-settle")
        settling.add_done_callback(end_with)
        intake = Intake(self.app, stream, TAKEN_AT_ONCE)
        try:
            while True:
                messages = await intake.take()
                for message in messages:
                    await self.check(message)
                if self._stopping:
                    await self.park()
                batch = await self._read(messages)
                if not batch.storing and not self._waiting:
                    await self._settle(batch.changes)
                else:
                    self._waiting += 1
                    await self._later.put(batch)
        finally:
            settling.cancel()

    async def _read(self, messages: Sequence[Any]) -> _Batch:
        changes: list[_Taken] = []
        for message in messages:
            time_us = time_us_of(message)
            record = ChangeRecord(
                message.key, message.value, message.partition, message.offset, time_us, message.headers
            )
            changes.append(_Taken(message, record, self._handler.read(record)))
        with_pictures = [change for taken in changes if (change := taken.brings_pictures) is not None]
        return _Batch(changes, await self._storing.begin(with_pictures))

    def _put_pictures(self, pictures: Sequence[bytes]) -> list[str]:
        """Store pictures, in a thread that waits while the disk is full."""
        return self.disk.written_in_thread("pictures", self._store_path, lambda: self._store.put_all(pictures))

    async def _settle_later(self) -> None:
        """Settle what waited for pictures, and what came after it."""
        while True:
            changes, storing = await self._later.get()
            stored = iter([incoming for job in storing for incoming in await job])
            changes = [t if t.brings_pictures is None else t._replace(read=next(stored)) for t in changes]
            if self._stopping:
                await self.park()
            await self._settle(changes)
            self._waiting -= 1

    async def _settle(self, changes: Sequence[_Taken]) -> None:
        """Merge changes and write what follows; those of an assignment that has ended are left to their next reader."""
        while changes:
            await self.open_gate()
            begun_s = time.perf_counter()
            write = partial(self._merge_and_write, changes)
            count, merged, writes = await self.disk.written("item states", self._folder, write)
            self._count(merged, (time.perf_counter() - begun_s) / count)
            messages = [taken.message for taken, _ in merged]
            await self._in_flight.add(writes, partial(self.acknowledge, messages), len(messages))
            changes = changes[count:]

    async def _merge_and_write(self, changes: Sequence[_Taken]) -> _Written:
        """As many as may be written before the gate is asked again, at least one.

        What RocksDB raises comes before anything is sent. Of partitions that are another worker's by now nothing is
        merged.
        """
        merged: list[tuple[_Taken, Merged]] = []
        states = StateBatch(self._table)
        count = 0
        for taken in changes:
            if count and self._gate.must_ask():
                break
            count += 1
            message = taken.message
            if message.generation_id != self.app.consumer_generation_id or not self._table.holds(message.partition):
                continue
            done = self._merge(taken, states)
            if done.write is not None:
                states.put(message.partition, done.write)
                self._gate.note(len(done.write.value))
            merged.append((taken, done))
        writes: Writes = await states.write()
        for taken, done in merged:
            writes += self._send(done, taken.record)
        return _Written(count, merged, writes)

    def _count(self, merged: Sequence[tuple[_Taken, Merged]], each_s: float) -> None:
        now_us = time.time_ns() // 1000
        for taken, done in merged:
            self._merge_seconds.observe(each_s)
            if done.write is not None and not done.write.replay and isinstance(taken.read, Incoming):
                event_us = taken.read.change.time_us
                since_us = taken.read.origin.time_us if event_us is None else event_us
                self._metrics.note_fresh("merged", done.op, since_us, now_us)
        for labels, number in Counter((done.op, done.outcome) for _, done in merged).items():
            self._metrics.changes.labels(*labels).inc(number)

    def _keeps(self) -> bool:
        """Whether the partitions held are this worker's and their files complete."""
        return not self._stopping and self.not_ready() is None

    def _merged(self, partition: int) -> int:
        return self._acknowledged.get(partition, -1)

    def _merge(self, taken: _Taken, states: StateBatch) -> Merged:
        if isinstance(taken.read, Merged):
            return taken.read
        if self._handler.misplaced(taken.read):
            return self._handler.send_on(taken.read)
        item_id, partition = taken.read.change.item_id, taken.record.partition
        return self._handler.settle(taken.read, states.read(partition, item_id))

    def _send(self, merged: Merged, record: ChangeRecord) -> Writes:
        """What is sent beside the state."""
        writes: Writes = []
        if merged.forward is not None:
            writes.append(self._send_on(merged, record))
        for row in merged.rejects:
            self._metrics.rejects.labels(row.reason).inc()
            writes.append(
                self._rejects.send_soon(key=row.key, value=row.value, partition=row.partition, headers=row.headers)
            )
        return writes

    def _send_on(self, merged: Merged, record: ChangeRecord) -> Awaitable[object]:
        forward = merged.forward
        assert forward is not None
        sent: Awaitable[object] = self._changes.send_soon(
            key=forward.item_id.encode(),
            value=forward.value,
            partition=forward.partition,
            # Faust cuts milliseconds off instead of rounding.
            timestamp=(record.time_us + HALF_A_MILLISECOND_US) / 1_000_000,
            headers=forward.headers,
        )
        return sent
