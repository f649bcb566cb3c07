"""The embed agent: item states into vector records of one generation, in batches."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

from prometheus_client import Counter

from schemas.backlog import Gate
from schemas.cluster import Generation
from schemas.forgetting import forgotten_as_of
from schemas.item_state import Stamp
from schemas.retries import encode_retry
from schemas.settings import Settings
from schemas.topics import REJECTS, RETRIES, STATES, embed_group, vectors_topic
from streams.agent import Agent, Writes, time_us_of
from streams.embed import Embedder, EmbedHandler
from streams.embed_memo import EmbedMemo
from streams.embed_result import EmbedBatch, EmbedResults, RetryWrite, StateRecord
from streams.faust_app import make_app, raw_topic
from streams.intake import Intake
from streams.log_stretches import KeptRecord
from streams.metrics import StreamMetrics
from streams.reject_rows import RejectRow
from streams.retry_policy import RetryPolicy
from streams.retry_room import RetryRoom
from streams.shipment import Outgoing
from streams.vector_keeper import VectorKeeper
from streams.write_watch import WriteWatch

NOTES = "notes of what is embedded"


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
        self._batch_wait_s = settings.stream.batch_wait_ms / 1000
        self._vectors_name = vectors_topic(generation.name)
        self._written = WriteWatch()
        self._keeper = VectorKeeper(kafka, self._vectors_name, generation.fingerprint, self, self._written, metrics)
        self._rejects = raw_topic(self.app, REJECTS, kafka.partitions)
        self._retries = raw_topic(self.app, RETRIES, kafka.partitions)
        self._retry_room = RetryRoom(retry_gate)
        self.attach(raw_topic(self.app, STATES, kafka.partitions))

    async def process(self, stream: Any) -> None:
        """See `Agent.process`."""
        intake = Intake(self.app, stream, self._batch_size, self._batch_wait_s)
        while True:
            messages = await intake.take()
            for message in messages:
                await self.check(message)
            await self._in_flight.room(len(messages))
            if self._stopping:
                await self.park()
            self._metrics.batch_size.observe(len(messages))
            embedding = asyncio.create_task(self._embed(messages))
            await self._in_flight.add([embedding], partial(self.acknowledge, messages), len(messages))

    async def _embed(self, messages: list[Any]) -> None:
        """Everything that follows from a batch, written as it gets done: nobody waits for a slow host's pictures."""
        records = [_state_record(message) for message in messages]
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
            writes = await self._write(part, owned, room)
        with self._metrics.stage_seconds.labels("write").time():
            for write in writes:
                await write
        if part.stamps:
            await self._note(partial(self._memo.put, part.stamps))
        if part.waits and room:
            await self._note(partial(self._memo.put, part.waits, waits=True))
        for outcome, count in part.outcomes.items():
            counter.labels(outcome).inc(count)
        self._metrics.note_embedded(write.times for write in part.writes if write.partition in owned)
        self.moved += 1
        return owned >= part.partitions

    def _note_written(self, _topic: str, partition: int, offset: int, _size_bytes: int) -> None:
        self._written.wrote(partition, offset)

    def newest(self, item_id: str) -> Stamp | None:
        """See `streams.vector_keeper.VectorOwner`."""
        return self._memo.get(item_id)

    def write_again(self, partition: int, record: KeptRecord) -> Awaitable[int] | None:
        """See `streams.vector_keeper.VectorOwner`; nothing is waited for between looking and sending."""
        if self.handler.busy(record.key.decode(errors="replace")):
            return None
        try:
            return self._delivery.send_now(self._vectors_name, partition, record.key, record.value)
        except BufferError:
            return None

    async def _note(self, put: Callable[[], None]) -> None:
        """Keep notes; without one, an older record of an item that comes again would be written after a newer one."""
        await self.disk.written(NOTES, self._memo.folder, lambda: asyncio.to_thread(put))

    async def _write(self, batch: EmbedBatch, owned: set[int], room: bool) -> Writes:
        vectors: list[Outgoing] = []
        for write in batch.writes:
            if write.partition in owned:
                key = write.item_id.encode()
                vectors.append(Outgoing(self._vectors_name, write.partition, key, write.value, write.headers))
                self._gate.note(len(write.value or b""))
        writes: Writes = [await self._delivery.ship(vectors, self._note_written)] if vectors else []
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


def _state_record(message: Any) -> StateRecord:
    """The record as the handler takes it; only a null's key and headers say anything."""
    if message.value is not None:
        return StateRecord(message.value, message.partition, message.offset, time_us_of(message))
    headers, item_id = message.headers, (message.key or b"").decode(errors="replace")
    forgotten = forgotten_as_of(headers.items() if isinstance(headers, dict) else headers)
    return StateRecord(None, message.partition, message.offset, time_us_of(message), item_id, forgotten)
