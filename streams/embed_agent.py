"""The embed agent: item states into vector records of one generation, in batches."""

import asyncio
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

BATCHES_IN_FLIGHT = 3
SHORTEST_WAIT_S = 0.001


class EmbedAgent(Agent):
    """Consumes `items.state` as the generation's embed group.

    Up to three batches are being embedded at once; they are written, noted and acknowledged one after the other.
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
        super().__init__(make_app(group, kafka, folder), group, kafka, gate, metrics, BATCHES_IN_FLIGHT)
        self._memo = memo
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
            if self._stopping:
                await self.park()
            self._metrics.batch_size.observe(len(events))
            embedding = asyncio.create_task(self._embed(events))
            await self._in_flight.add([embedding], partial(self._finish, stream, events, embedding))

    async def _embed(self, events: list[Any]) -> EmbedBatch:
        messages = [event.message for event in events]
        with self._metrics.stage_seconds.labels("embed").time():
            return await self._handler.handle(
                [StateRecord(m.value, m.partition, m.offset, time_us_of(m)) for m in messages]
            )

    async def _finish(self, stream: Any, events: list[Any], embedding: asyncio.Task[EmbedBatch]) -> None:
        """Write a batch; its stamps are noted and its states acknowledged after the broker has answered."""
        batch = embedding.result()
        await self.open_gate()
        with self._metrics.stage_seconds.labels("write").time():
            for write in self._write(batch):
                await write
        if batch.stamps:
            await asyncio.to_thread(self._memo.put, batch.stamps)
        for outcome, count in batch.outcomes.items():
            self._metrics.states.labels(outcome).inc(count)
        for event in events:
            await self.acknowledge(stream, event)

    def _write(self, batch: EmbedBatch) -> Writes:
        writes: Writes = []
        for write in batch.writes:
            writes.append(
                self._vectors.send_soon(key=write.item_id.encode(), value=write.value, partition=write.partition)
            )
            self._gate.note(len(write.value))
        for row in batch.rejects:
            self._metrics.rejects.labels(row.reason).inc()
            writes.append(
                self._rejects.send_soon(key=row.key, value=row.value, partition=row.partition, headers=row.headers)
            )
        return writes
