"""The merge agent: catalogue changes into item states, one by one."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

from embedder.image_store import ImageStore
from schemas.backlog import Gate
from schemas.debezium import ChangeDecoder
from schemas.settings import MIB, Settings
from schemas.topics import CHANGES, MERGE_GROUP, REJECTS, STATES
from streams.agent import Agent, Writes, time_us_of
from streams.faust_app import make_app, raw_topic
from streams.merge import Merged, MergeHandler
from streams.metrics import StreamMetrics
from streams.origin import ChangeRecord
from streams.state_table import StateTable

IN_FLIGHT = 512
# Per partition; Faust's defaults would let a dozen of them take gigabytes.
TABLE_OPTIONS = {"write_buffer_size": 8 * MIB, "max_write_buffer_number": 2, "block_cache_size": 16 * MIB}
HALF_A_MILLISECOND_US = 500


class MergeAgent(Agent):
    """Consumes `catalog.changes` as `lookalive.merge`; a change is acknowledged when what follows from it is."""

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
        self.attach(self._changes)

    async def process(self, stream: Any) -> None:
        """See `Agent.process`. Event by event: a table write goes to the partition of the current event."""
        async for event in stream.noack().events():
            await self.check(event.message)
            await self.open_gate()
            if self._stopping:
                await self.park()
            with self._metrics.stage_seconds.labels("merge").time():
                merged, record = await self._merge(event)
            self._metrics.changes.labels(merged.op, merged.outcome).inc()
            await self._in_flight.add(self._write(merged, record), partial(self.acknowledge, stream, event))

    async def _merge(self, event: Any) -> tuple[Merged, ChangeRecord]:
        message = event.message
        record = ChangeRecord(
            message.key, message.value, message.partition, message.offset, time_us_of(message), message.headers
        )
        incoming = self._handler.read(record)
        if isinstance(incoming, Merged):
            return incoming, record
        if incoming.brings_pictures:
            incoming = await asyncio.to_thread(self._handler.keep_pictures, incoming)
        if self._handler.misplaced(incoming):
            return self._handler.send_on(incoming), record
        return self._handler.settle(incoming, self._table.read(incoming.change.item_id)), record

    def _write(self, merged: Merged, record: ChangeRecord) -> Writes:
        writes: Writes = []
        if merged.write is not None:
            writes.append(self._table.write(merged.write.item_id, merged.write.value))
            self._gate.note(len(merged.write.value))
        if merged.forward is not None:
            writes.append(
                self._changes.send_soon(
                    key=merged.forward.item_id.encode(),
                    value=merged.forward.value,
                    partition=merged.forward.partition,
                    # Faust cuts milliseconds off instead of rounding.
                    timestamp=(record.time_us + HALF_A_MILLISECOND_US) / 1_000_000,
                    headers=merged.forward.headers,
                )
            )
        for row in merged.rejects:
            self._metrics.rejects.labels(row.reason).inc()
            writes.append(
                self._rejects.send_soon(key=row.key, value=row.value, partition=row.partition, headers=row.headers)
            )
        return writes
