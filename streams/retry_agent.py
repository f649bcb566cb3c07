"""The retry agent: items whose pictures could not be fetched, tried again when it is time."""

import asyncio
import time
from collections.abc import Callable, Coroutine

import msgspec
import structlog
from confluent_kafka import KafkaException

from schemas.errors import NotReady
from schemas.retries import Retry, decode_retry
from schemas.settings import KafkaSettings, Settings
from streams.embed_agent import EmbedAgent
from streams.embed_result import EmbedBatch
from streams.endings import end_now
from streams.metrics import StreamMetrics
from streams.newest_states import overtaken_items
from streams.retry_log import RawRetry, RetryLog
from streams.retry_policy import SECOND_US, now_us
from streams.retry_queue import RetryQueue, Waiting

TICK_S, COMMIT_EVERY_S, LOOK_AGAIN_S, STOP_S = 0.05, 0.5, 1.0, 1.5
# A group without members loses its commits when they are old: they are renewed although nothing changed.
RENEW_EVERY_S = 600.0

log = structlog.get_logger()


class RetryAgent:
    """Tries the waiting items of the embed agent's own partitions, through its handler.

    A record is done with, and may be committed past, once what followed from it is acknowledged: vectors, a rejection,
    or the record of the next attempt. Each tick is short; only attempts wait, each in a task of its own.
    """

    def __init__(
        self,
        settings: Settings,
        generation: str,
        embed: EmbedAgent,
        metrics: StreamMetrics,
        clock_us: Callable[[], int] = now_us,
    ) -> None:
        self._kafka: KafkaSettings = settings.kafka
        self._generation = generation
        self._embed = embed
        self._metrics = metrics
        self._clock_us = clock_us
        self._at_once = settings.retries.at_once
        self._queue = RetryQueue(settings.retries.window)
        self._log = RetryLog(settings.kafka, generation)
        self._trying: set[asyncio.Task[None]] = set()
        self._examining: asyncio.Task[None] | None = None
        self._committed: dict[int, int] = {}
        self._commit_s = self._renew_s = self._look_s = 0.0
        self._running: asyncio.Task[None] | None = None
        metrics.retries_waiting.set_function(self._queue.__len__)

    async def start(self) -> None:
        """Begin; the first partitions come when the embed agent has some."""
        self._running = asyncio.create_task(self._guarded(self._run()), name="retries")

    async def stop(self) -> None:
        """Give up what is being tried, commit what is done, broker or no broker; the rest is read again."""
        tasks = [task for task in (self._running, self._examining, *self._trying) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            async with asyncio.timeout(STOP_S):
                await asyncio.to_thread(self._log.close, self._queue.committable())
        except TimeoutError:
            log.warning("retries_not_committed", error=f"no answer within {STOP_S:g} s")

    async def _run(self) -> None:
        while True:
            await self._tick()
            await asyncio.sleep(TICK_S)

    async def _tick(self) -> None:
        try:
            await self._follow()
            for raw in self._log.read():
                self._queue.take(raw.partition, raw.offset, self._ours(raw))
        except (NotReady, KafkaException) as error:
            log.warning("retries_not_read", error=str(error))
            self._let_go()
            self._look_s = time.monotonic() + LOOK_AGAIN_S
        self._log.pause(self._queue.full, self._queue.roomy)
        if self._examining is None or self._examining.done():
            self._examining = asyncio.create_task(self._guarded(self._examine()))
        for waiting in self._queue.due(self._clock_us(), self._at_once - len(self._trying)):
            task = asyncio.create_task(self._guarded(self._try(waiting)))
            self._trying.add(task)
            task.add_done_callback(self._trying.discard)
        self._commit()

    async def _follow(self) -> None:
        """Read the partitions that the embed agent has, no others."""
        owned = self._embed.owned()
        if owned == self._queue.partitions or time.monotonic() < self._look_s:
            return
        for partition in self._queue.partitions - owned:
            self._queue.revoke(partition)
        spans = await self._log.spans(owned - self._queue.partitions)
        for partition, span in spans.items():
            self._queue.assign(partition, span.position, span.end)
            self._committed.pop(partition, None)
        self._log.read_from({p: self._queue.read_next(p) for p in self._queue.partitions})

    def _let_go(self) -> None:
        for partition in self._queue.partitions:
            self._queue.revoke(partition)
        self._log.read_from({})

    def _ours(self, raw: RawRetry) -> Retry | None:
        """The record's retry; None for one of another generation, and for one that nobody can read."""
        try:
            retry = None if raw.value is None else decode_retry(raw.value)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("retry_unreadable", partition=raw.partition, offset=raw.offset, error=str(error))
            return None
        return retry if retry is not None and retry.generation == self._generation else None

    async def _examine(self) -> None:
        """Pass over inherited records whose items have newer states: those were, or will be, worked on themselves."""
        for partition in self._queue.partitions:
            if partition not in self._queue.partitions or not (waiting := self._queue.to_examine(partition)):
                continue
            stamps = {one.retry.item_id: one.retry.image.at for one in waiting}
            since = min(one.retry.origin.offset for one in waiting)
            try:
                overtaken = await overtaken_items(self._kafka, partition, since, stamps)
            except NotReady as error:
                log.warning("states_not_read", error=error.message)
                await asyncio.sleep(LOOK_AGAIN_S)
                return
            self._metrics.retries.labels("superseded").inc(len(overtaken))
            self._queue.examined(waiting, overtaken)

    async def _try(self, waiting: Waiting) -> None:
        """One attempt; whatever keeps it from being one only puts it off."""
        until_us = self._clock_us() + round(LOOK_AGAIN_S * SECOND_US)
        async with self._embed.handler.again(waiting.retry) as batch:
            if batch is None:
                self._queue.postpone(waiting, until_us)
            elif (put_off_us := self._put_off(waiting, batch)) is not None:
                self._metrics.retries.labels("put_off").inc()
                self._queue.postpone(waiting, put_off_us)
            elif await self._embed.keep(batch, self._metrics.retries):
                self._queue.finish(waiting)
            else:
                self._queue.postpone(waiting, until_us)

    def _put_off(self, waiting: Waiting, batch: EmbedBatch) -> int | None:
        """When to look again where nothing was tried; None when something is to be written.

        Where the window is full, the record is written again at the log's end, so that others get their turn.
        """
        if batch.writes or batch.rejects or not batch.retries or self._queue.full(waiting.partition):
            return None
        after, before = batch.retries[0].retry, waiting.retry
        return after.not_before_us if after.attempt == before.attempt else None

    def _commit(self) -> None:
        now = time.monotonic()
        if now < self._commit_s:
            return
        self._commit_s = now + COMMIT_EVERY_S
        offsets = self._queue.committable()
        if now < self._renew_s:
            offsets = {p: offset for p, offset in offsets.items() if self._committed.get(p) != offset}
        else:
            self._renew_s = now + RENEW_EVERY_S
        self._log.commit(offsets)
        self._committed |= offsets

    async def _guarded(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  as in `streams.agent.Agent`
            end_now(error)
