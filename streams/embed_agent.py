"""The embed agent: item states into vector records of one generation, in batches."""

import asyncio
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

from schemas.backlog import Gate
from schemas.cluster import Generation
from schemas.settings import Settings
from schemas.topics import REJECTS, STATES, embed_group, vectors_topic
from streams.agent import Agent, Writes, time_us_of
from streams.embed import EmbedBatch, Embedder, EmbedHandler, StateRecord
from streams.embed_memo import EmbedMemo
from streams.faust_app import make_app, raw_topic
from streams.metrics import StreamMetrics

SHORTEST_WAIT_S = 0.001


class EmbedAgent(Agent):
    """Consumes `items.state` as the generation's embed group.

    Many batches are being embedded at once, as far as the window goes, so that pictures which take long (their host is
    slow or down) hold up no others. Each item is written and noted when it is done; states are acknowledged in order.
    """

    name = "embed"
    source = STATES

    def __init__(
        self,
        settings: Settings,
        generation: Generation,
        folder: Path,
        memo: EmbedMemo,
        embedder: Embedder,
        gate: Gate,
        metrics: StreamMetrics,
    ) -> None:
        kafka, group = settings.kafka, embed_group(generation.name)
        super().__init__(make_app(group, kafka, folder), group, kafka, gate, metrics, settings.stream.window)
        self._memo = memo
        self._writing = asyncio.Lock()
        self._handler = EmbedHandler(generation.fingerprint, generation.dimension, embedder, memo)
        self._batch_size = settings.stream.batch_size
        self._batch_wait_s = max(settings.stream.batch_wait_ms / 1000, SHORTEST_WAIT_S)
        self._vectors = raw_topic(self.app, vectors_topic(generation.name), kafka.partitions)
        self._rejects = raw_topic(self.app, REJECTS, kafka.partitions)
        self.attach(raw_topic(self.app, STATES, kafka.partitions))

    async def process(self, stream: Any) -> None:
        """See `Agent.process`."""
        async for events in stream.noack_take(self._batch_size, within=self._batch_wait_s):
            for event in events:
                await self.check(event.message)
            await self._in_flight.room(len(events))
            if self._stopping:
                await self.park()
            self._metrics.batch_size.observe(len(events))
            embedding = asyncio.create_task(self._embed(events))
            await self._in_flight.add([embedding], partial(self._finish, stream, events), len(events))

    async def _embed(self, events: list[Any]) -> None:
        """Everything that follows from a batch, written as it gets done: nobody waits for a slow host's pictures."""
        records = [StateRecord(m.value, m.partition, m.offset, time_us_of(m)) for m in (e.message for e in events)]
        with self._metrics.stage_seconds.labels("embed").time():
            async with aclosing(self._handler.handle(records)) as parts:
                async for part in parts:
                    await self._keep(part)

    async def _keep(self, part: EmbedBatch) -> None:
        """Write a part; its stamps are noted once the broker answered. The lock keeps an item's records in order."""
        async with self._writing:
            await self.open_gate()
            writes = self._write(part)
        with self._metrics.stage_seconds.labels("write").time():
            for write in writes:
                await write
        if part.stamps:
            await asyncio.to_thread(self._memo.put, part.stamps)
        for outcome, count in part.outcomes.items():
            self._metrics.states.labels(outcome).inc(count)

    async def _finish(self, stream: Any, events: list[Any]) -> None:
        for event in events:
            await self.acknowledge(stream, event)

    def _owns(self, partition: int) -> bool:
        """Whether a partition is still this worker's: else its new owner writes what follows from it."""
        return any(tp.topic == STATES and tp.partition == partition for tp in self.app.consumer.assignment())

    def _write(self, batch: EmbedBatch) -> Writes:
        writes: Writes = []
        touched = {write.partition for write in batch.writes} | {row.partition for row in batch.rejects}
        owned = {partition for partition in touched if self._owns(partition)}
        for write in batch.writes:
            if write.partition not in owned:
                continue
            writes.append(
                self._vectors.send_soon(key=write.item_id.encode(), value=write.value, partition=write.partition)
            )
            self._gate.note(len(write.value))
        for row in batch.rejects:
            if row.partition not in owned:
                continue
            self._metrics.rejects.labels(row.reason).inc()
            writes.append(
                self._rejects.send_soon(key=row.key, value=row.value, partition=row.partition, headers=row.headers)
            )
        return writes
