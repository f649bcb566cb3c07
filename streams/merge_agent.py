"""The merge agent: catalogue changes into item states, one by one and in the order of each partition."""

import asyncio
import time
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from embedder.image_store import ImageStore
from schemas.backlog import Gate
from schemas.debezium import ChangeDecoder
from schemas.settings import MIB, Settings
from schemas.topics import CHANGES, MERGE_GROUP, REJECTS, STATES
from streams.agent import Agent, Writes, end_with, time_us_of
from streams.delivery import Delivery
from streams.faust_app import make_app, raw_topic
from streams.in_flight import InFlight
from streams.merge import Incoming, Merged, MergeHandler
from streams.metrics import StreamMetrics
from streams.origin import ChangeRecord
from streams.state_table import StateTable

IN_FLIGHT = 512
# Pictures that came inside changes are stored side by side: a store waits for the disk, not for the processor.
STORING_THREADS, STORING_BYTES = 16, 64 * MIB
# Per partition; Faust's defaults would let a dozen of them take gigabytes.
TABLE_OPTIONS = {"write_buffer_size": 8 * MIB, "max_write_buffer_number": 2, "block_cache_size": 16 * MIB}
HALF_A_MILLISECOND_US = 500


class _Taken(NamedTuple):
    """A change that was read; `storing` gives it with its pictures named by reference, when they are stored."""

    event: Any
    record: ChangeRecord
    read: Incoming | Merged
    storing: "asyncio.Future[Incoming] | None" = None


class MergeAgent(Agent):
    """Consumes `catalog.changes` as `lookalive.merge`; a change is acknowledged when what follows from it is.

    process()  read ------> settle at once, while nothing waits for its pictures
                 |
                 +--store pictures, several changes at once--> _settle_later()  settle, in the order taken
    """

    name = "merge"
    source = CHANGES

    def __init__(self, settings: Settings, folder: Path, gate: Gate, metrics: StreamMetrics) -> None:
        kafka = settings.kafka
        super().__init__(make_app(MERGE_GROUP, kafka, folder), MERGE_GROUP, kafka, gate, metrics, IN_FLIGHT)
        store = ImageStore(settings.image_store_path)
        decode = ChangeDecoder(settings.debezium)
        self._handler = MergeHandler(kafka.partitions, store.put, settings.images.max_bytes, decode)
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
        self._table.delivery = self._delivery = Delivery(kafka)
        self._merge_seconds = metrics.stage_seconds.labels("merge")
        self._threads = ThreadPoolExecutor(STORING_THREADS, thread_name_prefix="store")
        self._storing_bytes = InFlight(STORING_BYTES)
        self._later: asyncio.Queue[_Taken] = asyncio.Queue(IN_FLIGHT)
        self._waiting = 0
        self.attach(self._changes)

    async def start(self) -> None:
        """See `Agent.start`."""
        self._delivery.start()
        await super().start()

    async def stop(self) -> None:
        """See `Agent.stop`."""
        await super().stop()
        self._delivery.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def process(self, stream: Any) -> None:
        """See `Agent.process`."""
        settling = asyncio.create_task(self._settle_later(stream), name="merge-settle")
        settling.add_done_callback(end_with)
        try:
            async for event in stream.noack().events():
                await self.check(event.message)
                if self._stopping:
                    await self.park()
                taken = await self._take(event)
                if taken.storing is None and not self._waiting:
                    await self._settle(stream, taken)
                else:
                    self._waiting += 1
                    await self._later.put(taken)
        finally:
            settling.cancel()

    async def _take(self, event: Any) -> _Taken:
        message = event.message
        record = ChangeRecord(
            message.key, message.value, message.partition, message.offset, time_us_of(message), message.headers
        )
        read = self._handler.read(record)
        if isinstance(read, Merged) or not read.brings_pictures:
            return _Taken(event, record, read)
        size_bytes = len(record.value or b"")
        await self._storing_bytes.take(size_bytes)
        storing = asyncio.get_running_loop().run_in_executor(self._threads, self._handler.keep_pictures, read)
        storing.add_done_callback(lambda _: self._storing_bytes.give(size_bytes))
        return _Taken(event, record, read, storing)

    async def _settle_later(self, stream: Any) -> None:
        """Settle what waited for pictures, and what came after it."""
        while True:
            taken = await self._later.get()
            if taken.storing is not None:
                taken = taken._replace(read=await taken.storing)
            if self._stopping:
                await self.park()
            await self._settle(stream, taken)
            self._waiting -= 1

    async def _settle(self, stream: Any, taken: _Taken) -> None:
        """Merge one change and write what follows; one of an assignment that has ended is left to its next reader."""
        await self.open_gate()
        message = taken.event.message
        if message.generation_id != self.app.consumer_generation_id or not self._table.holds(message.partition):
            return
        begun_s = time.perf_counter()
        merged = self._merge(taken)
        writes = await self._write(merged, taken.record)
        self._merge_seconds.observe(time.perf_counter() - begun_s)
        self._metrics.changes.labels(merged.op, merged.outcome).inc()
        if merged.write is not None and not merged.write.replay and isinstance(taken.read, Incoming):
            event_us = taken.read.change.time_us
            since_us = taken.read.origin.time_us if event_us is None else event_us
            self._metrics.note_fresh("merged", merged.op, since_us, time.time_ns() // 1000)
        await self._in_flight.add(writes, partial(self.acknowledge, stream, taken.event))

    def _merge(self, taken: _Taken) -> Merged:
        if isinstance(taken.read, Merged):
            return taken.read
        if self._handler.misplaced(taken.read):
            return self._handler.send_on(taken.read)
        item_id, partition = taken.read.change.item_id, taken.record.partition
        return self._handler.settle(taken.read, self._table.read(partition, item_id))

    async def _write(self, merged: Merged, record: ChangeRecord) -> Writes:
        writes: Writes = []
        if merged.write is not None:
            writes.append(await self._table.write(record.partition, merged.write.item_id, merged.write.value))
            self._gate.note(len(merged.write.value))
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
