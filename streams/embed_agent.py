"""The embed agent: item states into vector records of one generation, in batches."""

import asyncio
from collections.abc import Awaitable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

from prometheus_client import Counter

from schemas.backlog import Gate
from schemas.cluster import Generation
from schemas.retries import encode_retry
from schemas.settings import Settings
from schemas.topics import REJECTS, RETRIES, STATES, embed_group, vectors_topic
from streams.agent import Agent, Writes, time_us_of
from streams.embed import Embedder, EmbedHandler
from streams.embed_memo import EmbedMemo
from streams.embed_result import EmbedBatch, EmbedResults, RetryWrite, StateRecord
from streams.faust_app import make_app, raw_topic
from streams.metrics import StreamMetrics
from streams.reject_rows import RejectRow
from streams.retry_policy import RetryPolicy
from streams.retry_room import RetryRoom

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
        retry_gate: Gate,
        metrics: StreamMetrics,
    ) -> None:
        kafka, group = settings.kafka, embed_group(generation.name)
        super().__init__(make_app(group, kafka, folder), group, kafka, gate, metrics, settings.stream.window)
        self._memo = memo
        self._writing = asyncio.Lock()
        policy = RetryPolicy(settings.retries)
        results = EmbedResults(generation.name, generation.fingerprint, generation.dimension, policy)
        self.handler = EmbedHandler(generation.dimension, embedder, memo, results)
        self._batch_size = settings.stream.batch_size
        self._batch_wait_s = max(settings.stream.batch_wait_ms / 1000, SHORTEST_WAIT_S)
        self._vectors = raw_topic(self.app, vectors_topic(generation.name), kafka.partitions)
        self._rejects = raw_topic(self.app, REJECTS, kafka.partitions)
        self._retries = raw_topic(self.app, RETRIES, kafka.partitions)
        self._retry_room = RetryRoom(retry_gate)
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
            async with aclosing(self.handler.handle(records)) as parts:
                async for part in parts:
                    await self.keep(part, self._metrics.states)

    async def keep(self, part: EmbedBatch, counter: Counter) -> bool:
        """Write a part and note it once the broker answered; whether all of its partitions still were this worker's.

        The lock keeps an item's records in order. What finds no room in `catalog.retries` is rejected.
        """
        async with self._writing:
            await self.open_gate()
            room = not part.retries or await self._retry_room.there()
            owned = self.owned()
            writes = self._write(part, owned, room)
        with self._metrics.stage_seconds.labels("write").time():
            for write in writes:
                await write
        if part.stamps:
            await asyncio.to_thread(self._memo.put, part.stamps)
        if part.waits and room:
            await asyncio.to_thread(partial(self._memo.put, part.waits, waits=True))
        for outcome, count in part.outcomes.items():
            counter.labels(outcome).inc(count)
        self._metrics.note_embedded(write.times for write in part.writes if write.partition in owned)
        return owned >= part.partitions

    def owned(self) -> set[int]:
        """The partitions that are this worker's: what follows from others is written by their new owners."""
        return {tp.partition for tp in self.app.consumer.assignment() if tp.topic == STATES}

    async def _finish(self, stream: Any, events: list[Any]) -> None:
        for event in events:
            await self.acknowledge(stream, event)

    def _write(self, batch: EmbedBatch, owned: set[int], room: bool) -> Writes:
        writes: Writes = []
        for write in batch.writes:
            if write.partition in owned:
                writes.append(
                    self._vectors.send_soon(key=write.item_id.encode(), value=write.value, partition=write.partition)
                )
                self._gate.note(len(write.value))
        rows = [*batch.rejects, *(row for retry in batch.retries if not room for row in retry.otherwise)]
        writes += [self._reject(row) for row in rows if row.partition in owned]
        writes += [self._retry(retry) for retry in batch.retries if room and retry.partition in owned]
        return writes

    def _reject(self, row: RejectRow) -> Awaitable[object]:
        self._metrics.rejects.labels(row.reason).inc()
        sent: Awaitable[object] = self._rejects.send_soon(
            key=row.key, value=row.value, partition=row.partition, headers=row.headers
        )
        return sent

    def _retry(self, write: RetryWrite) -> Awaitable[object]:
        value = encode_retry(write.retry)
        self._retry_room.note(len(value))
        sent: Awaitable[object] = self._retries.send_soon(
            key=write.retry.item_id.encode(), value=value, partition=write.partition
        )
        return sent
