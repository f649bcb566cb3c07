"""The embed handler: raw item states, and the vector records that follow. Knows neither Faust nor Kafka."""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import msgspec
import numpy as np
import structlog

from embedder.model_queue import Embedded
from schemas.errors import ImageRejected, ModelFailed, VectorInvalid
from schemas.item_state import ItemState, Stamp, decode_state
from schemas.retries import Retry
from streams.embed_result import (
    Answer,
    EmbedBatch,
    EmbedResults,
    StateRecord,
    Task,
    deciding_stamp,
    empty_batch,
    task_of,
)

UNIT_TOLERANCE = 0.01

log = structlog.get_logger()


class Embedder(Protocol):
    """The part of `embedder.batcher.EmbeddingWorker` that is used."""

    async def embed(self, picture: str | bytes, /) -> Embedded:
        """The picture's vector; raises ImageRejected, VectorInvalid, ModelFailed or NotReady."""


class Memo(Protocol):
    """What is known to have been written: see `streams.embed_memo.EmbedMemo`."""

    def get(self, item_id: str) -> Stamp | None:
        """The stamp last written for this item, or waiting to be tried again."""

    def waits(self, item_id: str) -> bool:
        """Whether it is the stamp of pictures that are tried again later."""

    def forget(self, item_id: str, as_of: Stamp) -> bool:
        """Drop the note of an item that is forgotten; False, and nothing dropped, where it is of something newer."""


Work = asyncio.Task[list[Answer]]


class EmbedHandler:
    """Embeds what is new in item states.

    An item's deciding stamp is that of its pictures, or of the delete that took them away; a record is written only for
    a stamp newer than the last one written. Older states of an item in the same batch do not count.

    Batches may overlap: what is being embedded is not begun again, and given up when a newer state of its item comes.
    """

    def __init__(self, dimension: int, embedder: Embedder, memo: Memo, results: EmbedResults) -> None:
        self._dimension = dimension
        self._embedder = embedder
        self._memo = memo
        self._results = results
        self._under_way: dict[str, tuple[Stamp, Work | None]] = {}

    async def handle(self, records: Sequence[StateRecord]) -> AsyncGenerator[EmbedBatch, None]:
        """What must be written for these states, part by part as their pictures are done; nulls among the first.

        A part is done with when the next one is asked for: until then its items count as under way.

        Raises:
            ModelFailed: the model fails on everything, so that no picture is to blame.
            NotReady: the embedder has ended.
        """
        first = empty_batch()
        tasks = self._tasks(records, first)
        work = {self._begin(task): task for task in tasks if task.refs}
        at_once = [task for task in tasks if not task.refs]
        for task in at_once:
            self._settle(task, [], first)
        try:
            if first.outcomes:
                yield first
                self._let_go(at_once)
            async for part, done in self._parts(work):
                yield part
                self._let_go(done)
        finally:
            for one in work:
                one.cancel()
            self._let_go(tasks)

    @asynccontextmanager
    async def again(self, retry: Retry) -> AsyncIterator[EmbedBatch | None]:
        """What must be written once an item's pictures were tried again; None while its state is being worked on.

        The item counts as under way until the context is left. Nothing is fetched of what is known to be done or to
        have a newer state; a model that fails is a failed attempt, as one picture alone does not tell who is to blame.

        Raises:
            NotReady: the embedder has ended.
        """
        task, batch = task_of(retry), empty_batch()
        if self._under_way.get(retry.item_id, (None, None))[0] == task.stamp:
            yield None
            return
        if not self._is_new(task, batch):
            yield batch
            return
        work = self._begin(task)
        try:
            await asyncio.wait({work})
            self._settle(task, [] if work.cancelled() else work.result(), batch)
            yield batch
        finally:
            work.cancel()
            self._let_go([task])

    def _tasks(self, records: Sequence[StateRecord], batch: EmbedBatch) -> list[Task]:
        """The newest state of each item, where it is newer than what was written."""
        newest: dict[str, Task] = {}
        for record in records:
            state = _readable(record)
            stamp = record.forgotten or (None if state is None else deciding_stamp(state))
            if state is None or stamp is None:
                batch.note("unreadable" if state is None and record.value is not None else "empty")
                continue
            held = newest.pop(state.item_id, None)
            if held is not None:
                batch.note("superseded")
            counts = held is None or held.forget or stamp >= held.stamp
            newest[state.item_id] = Task(state, record, stamp) if counts or held is None else held
        return [task for task in newest.values() if self._is_new(task, batch)]

    def _is_new(self, task: Task, batch: EmbedBatch) -> bool:
        """Whether an item is to be worked on; older work on it that has not come to an end is given up then."""
        if task.forget:
            return self._forgets(task, batch)
        written = self._memo.get(task.state.item_id)
        waits = task.retry is not None and written == task.stamp and self._memo.waits(task.state.item_id)
        if written is not None and written >= task.stamp and not waits:
            batch.note("known")
            return False
        stamp, work = self._under_way.get(task.state.item_id, (None, None))
        if stamp is not None and stamp >= task.stamp:
            batch.note("known")
            return False
        if work is not None:
            work.cancel()
        self._under_way[task.state.item_id] = (task.stamp, None)
        return True

    def _forgets(self, task: Task, batch: EmbedBatch) -> bool:
        """Whether an item is to be forgotten; its note goes at once, so that whatever comes after it is new."""
        stamp, work = self._under_way.get(task.state.item_id, (None, None))
        if (stamp is not None and stamp > task.stamp) or not self._memo.forget(task.state.item_id, task.stamp):
            batch.note("known")
            return False
        if work is not None:
            work.cancel()
        self._under_way.pop(task.state.item_id, None)
        return True

    def busy(self, item_id: str) -> bool:
        """Whether something of the item is being worked on, or written and not yet noted."""
        return item_id in self._under_way

    def _begin(self, task: Task) -> Work:
        work = asyncio.create_task(self._embed(task.refs))
        self._under_way[task.state.item_id] = (task.stamp, work)
        return work

    def _let_go(self, tasks: list[Task]) -> None:
        """These are under way no longer."""
        for task in tasks:
            if not task.forget and self._is_newest(task):
                del self._under_way[task.state.item_id]

    def _is_newest(self, task: Task) -> bool:
        return self._under_way.get(task.state.item_id, (None, None))[0] == task.stamp

    async def _parts(self, work: dict[Work, Task]) -> AsyncIterator[tuple[EmbedBatch, list[Task]]]:
        """Items that are done, together with all others that are at that moment; those the model failed on last."""
        left, trusted = len(work), False
        ended: asyncio.Queue[Work] = asyncio.Queue()
        for one in work:
            one.add_done_callback(ended.put_nowait)
        blamed: list[tuple[Task, list[Answer]]] = []
        while left:
            done = [await ended.get()]
            while not ended.empty():
                done.append(ended.get_nowait())
            left -= len(done)
            part, settled = empty_batch(), []
            for one in done:
                answers = [] if one.cancelled() else one.result()
                trusted |= any(_vouches(answer) for answer in answers)
                if any(isinstance(answer.result, ModelFailed) for answer in answers):
                    blamed.append((work[one], answers))
                else:
                    self._settle(work[one], answers, part)
                    settled.append(work[one])
            yield part, settled
        if blamed:
            yield await self._once_more(blamed, trusted), [task for task, _ in blamed]

    async def _once_more(self, blamed: list[tuple[Task, list[Answer]]], trusted: bool) -> EmbedBatch:
        """Pictures the model failed on, once more and alone, to tell a bad picture from a bad model."""
        again = [
            (task, [await self._embed_one(a.ref) if isinstance(a.result, ModelFailed) else a for a in answers])
            for task, answers in blamed
        ]
        failed = [a.result for _, answers in again for a in answers if isinstance(a.result, ModelFailed)]
        if failed and not trusted and not any(_vouches(answer) for _, answers in again for answer in answers):
            raise failed[0]
        part = empty_batch()
        for task, answers in again:
            refused = [
                Answer(a.ref, VectorInvalid(a.result.message)) if isinstance(a.result, ModelFailed) else a
                for a in answers
            ]
            self._settle(task, refused, part)
        return part

    async def _embed(self, refs: tuple[str, ...]) -> list[Answer]:
        if len(refs) == 1:
            return [await self._embed_one(refs[0])]
        return list(await asyncio.gather(*(self._embed_one(ref) for ref in refs)))

    async def _embed_one(self, ref: str) -> Answer:
        try:
            embedded = await self._embedder.embed(ref)
        except (ImageRejected, VectorInvalid, ModelFailed) as error:
            return Answer(ref, error)
        norm = math.sqrt(float(np.vdot(embedded.vector, embedded.vector)))
        if embedded.vector.shape != (self._dimension,) or not abs(norm - 1.0) < UNIT_TOLERANCE:
            return Answer(ref, VectorInvalid(f"the model made a vector of length {norm}", norm=str(norm)))
        return Answer(ref, embedded)

    def _settle(self, task: Task, answers: list[Answer], batch: EmbedBatch) -> None:
        if task.forget or self._is_newest(task):
            self._results.add(task, answers, batch)
        else:
            batch.note("superseded")


def _vouches(answer: Answer) -> bool:
    """Whether this answer shows that the model works."""
    return isinstance(answer.result, Embedded) and not answer.result.cached


def _readable(record: StateRecord) -> ItemState | None:
    """The state of a record; None for one that nobody can read, which is said, and for a null that says nothing."""
    if record.value is None:
        return None if record.forgotten is None else ItemState(item_id=record.item_id)
    try:
        return decode_state(record.value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        log.warning("state_unreadable", partition=record.partition, offset=record.offset, error=str(error))
        return None
