"""The embed handler: raw item states, and the vector records that follow. Knows neither Faust nor Kafka."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import NamedTuple, Protocol

import msgspec
import numpy as np
import structlog

from embedder.batcher import Embedded
from schemas.changes import CatalogChange, encode_change
from schemas.errors import ImageRejected, LookaliveError, ModelFailed, VectorInvalid
from schemas.item_state import ItemState, Stamp, decode_state
from schemas.rejects import RejectOrigin
from schemas.topics import STATES
from schemas.vector_record import StageTimes, VectorRecord, encode_vector_record, make_vector_record
from streams.reject_rows import RejectRow, reject_row

UNIT_TOLERANCE = 0.01

log = structlog.get_logger()


class Embedder(Protocol):
    """The part of `embedder.batcher.EmbeddingWorker` that is used."""

    async def embed(self, picture: str | bytes, /) -> Embedded:
        """The picture's vector; raises ImageRejected, VectorInvalid, ModelFailed or NotReady."""


class Memo(Protocol):
    """What is known to have been written: see `streams.embed_memo.EmbedMemo`."""

    def get(self, item_id: str) -> Stamp | None:
        """The stamp last written for this item."""


class StateRecord(NamedTuple):
    """A raw record of `items.state`; `time_us` is its timestamp in microseconds since the epoch."""

    value: bytes | None
    partition: int
    offset: int
    time_us: int


class VectorWrite(NamedTuple):
    """A record of `vectors.<generation>`, ready to be produced into the item's partition."""

    item_id: str
    value: bytes
    partition: int


class EmbedBatch(NamedTuple):
    """What follows from some of a batch's states; `stamps` are noted once the rest is acknowledged.

    An item that lacks a picture only for now has no stamp here: its next state tries again.
    """

    writes: list[VectorWrite]
    rejects: list[RejectRow]
    stamps: dict[str, Stamp]
    outcomes: dict[str, int]


class _Task(NamedTuple):
    """An item whose newest state needs a record."""

    state: ItemState
    record: StateRecord
    stamp: Stamp


class _Answer(NamedTuple):
    """What became of one picture."""

    ref: str
    result: Embedded | LookaliveError


Work = asyncio.Task[list[_Answer]]


class EmbedHandler:
    """Embeds what is new in item states.

    An item's deciding stamp is that of its pictures, or of the delete that took them away; a record is written only for
    a stamp newer than the last one written. Older states of an item in the same batch do not count.

    Batches may overlap: what is being embedded is not begun again, and given up when a newer state of its item comes.
    """

    def __init__(self, model: str, dimension: int, embedder: Embedder, memo: Memo) -> None:
        self._model = model
        self._dimension = dimension
        self._embedder = embedder
        self._memo = memo
        self._under_way: dict[str, tuple[Stamp, Work | None]] = {}

    async def handle(self, records: Sequence[StateRecord]) -> AsyncGenerator[EmbedBatch, None]:
        """What must be written for these states, part by part as their pictures are done.

        A part is done with when the next one is asked for: until then its items count as under way.

        Raises:
            ModelFailed: the model fails on everything, so that no picture is to blame.
            NotReady: the embedder has ended.
        """
        first = EmbedBatch([], [], {}, {})
        tasks = self._tasks(records, first)
        work = {self._begin(task): task for task in tasks if _refs(task.state)}
        at_once = [task for task in tasks if not _refs(task.state)]
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

    def _tasks(self, records: Sequence[StateRecord], batch: EmbedBatch) -> list[_Task]:
        """The newest state of each item, where it is newer than what was written."""
        newest: dict[str, _Task] = {}
        for record in records:
            state = _readable(record)
            stamp = None if state is None else deciding_stamp(state)
            if state is None or stamp is None:
                _count(batch, "unreadable" if state is None and record.value is not None else "empty")
                continue
            held = newest.pop(state.item_id, None)
            if held is not None:
                _count(batch, "superseded")
            newest[state.item_id] = _Task(state, record, stamp) if held is None or stamp >= held.stamp else held
        return [task for task in newest.values() if self._is_new(task, batch)]

    def _is_new(self, task: _Task, batch: EmbedBatch) -> bool:
        """Whether an item is to be worked on; older work on it that has not come to an end is given up then."""
        written = self._memo.get(task.state.item_id)
        if written is not None and written >= task.stamp:
            _count(batch, "known")
            return False
        stamp, work = self._under_way.get(task.state.item_id, (None, None))
        if stamp is not None and stamp >= task.stamp:
            _count(batch, "known")
            return False
        if work is not None:
            work.cancel()
        self._under_way[task.state.item_id] = (task.stamp, None)
        return True

    def _begin(self, task: _Task) -> Work:
        work = asyncio.create_task(self._embed(_refs(task.state)))
        self._under_way[task.state.item_id] = (task.stamp, work)
        return work

    def _let_go(self, tasks: list[_Task]) -> None:
        """These are under way no longer."""
        for task in tasks:
            if self._is_newest(task):
                del self._under_way[task.state.item_id]

    def _is_newest(self, task: _Task) -> bool:
        return self._under_way.get(task.state.item_id, (None, None))[0] == task.stamp

    async def _parts(self, work: dict[Work, _Task]) -> AsyncIterator[tuple[EmbedBatch, list[_Task]]]:
        """Items that are done, together with all others that are at that moment; those the model failed on last."""
        waiting, trusted = set(work), False
        blamed: list[tuple[_Task, list[_Answer]]] = []
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            part, settled = EmbedBatch([], [], {}, {}), []
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

    async def _once_more(self, blamed: list[tuple[_Task, list[_Answer]]], trusted: bool) -> EmbedBatch:
        """Pictures the model failed on, once more and alone, to tell a bad picture from a bad model."""
        again = [
            (task, [await self._embed_one(a.ref) if isinstance(a.result, ModelFailed) else a for a in answers])
            for task, answers in blamed
        ]
        failed = [a.result for _, answers in again for a in answers if isinstance(a.result, ModelFailed)]
        if failed and not trusted and not any(_vouches(answer) for _, answers in again for answer in answers):
            raise failed[0]
        part = EmbedBatch([], [], {}, {})
        for task, answers in again:
            refused = [
                _Answer(a.ref, VectorInvalid(a.result.message)) if isinstance(a.result, ModelFailed) else a
                for a in answers
            ]
            self._settle(task, refused, part)
        return part

    async def _embed(self, refs: tuple[str, ...]) -> list[_Answer]:
        return list(await asyncio.gather(*(self._embed_one(ref) for ref in refs)))

    async def _embed_one(self, ref: str) -> _Answer:
        try:
            embedded = await self._embedder.embed(ref)
        except (ImageRejected, VectorInvalid, ModelFailed) as error:
            return _Answer(ref, error)
        norm = float(np.linalg.norm(embedded.vector))
        if embedded.vector.shape != (self._dimension,) or not abs(norm - 1.0) < UNIT_TOLERANCE:
            return _Answer(ref, VectorInvalid(f"the model made a vector of length {norm}", norm=str(norm)))
        return _Answer(ref, embedded)

    def _settle(self, task: _Task, answers: list[_Answer], batch: EmbedBatch) -> None:
        item_id = task.state.item_id
        if not self._is_newest(task):
            _count(batch, "superseded")
            return
        good = [answer.result for answer in answers if isinstance(answer.result, Embedded)]
        for answer in answers:
            if isinstance(answer.result, LookaliveError):
                batch.rejects.append(self._reject(task, answer.ref, answer.result))
        if good or not answers:
            record = self._record(task, good)
            batch.writes.append(VectorWrite(item_id, encode_vector_record(record), task.record.partition))
        _count(batch, "deleted" if not answers else "embedded" if good else "rejected")
        if not any(isinstance(a.result, ImageRejected) and a.result.temporary for a in answers):
            batch.stamps[item_id] = task.stamp

    def _record(self, task: _Task, good: list[Embedded]) -> VectorRecord:
        if not good:
            times = StageTimes(task.stamp.time_us, task.record.time_us)
            return VectorRecord(task.stamp, self._model, self._dimension, times=times)
        times = StageTimes(
            event_us=task.stamp.time_us,
            merged_us=task.record.time_us,
            fetched_us=max(e.fetched_us for e in good),
            embedded_us=max(e.embedded_us for e in good),
        )
        vectors = np.stack([e.vector for e in good])
        return make_vector_record(task.stamp, self._model, tuple(e.fingerprint for e in good), vectors, times)

    def _reject(self, task: _Task, ref: str, error: LookaliveError) -> RejectRow:
        """The original is the upsert of these pictures, as a producer would send it again."""
        state, record = task.state, task.record
        stamp = task.stamp
        original = encode_change(
            CatalogChange(
                op="upsert",
                item_id=state.item_id,
                images=_refs(state),
                version=stamp.version,
                time_us=max(stamp.time_us, 0),
            )
        )
        error.details["image"] = ref
        origin = RejectOrigin(STATES, record.partition, record.offset, record.time_us)
        return reject_row(error, origin, state.item_id, original, record.partition)


def _vouches(answer: _Answer) -> bool:
    """Whether this answer shows that the model works."""
    return isinstance(answer.result, Embedded) and not answer.result.cached


def deciding_stamp(state: ItemState) -> Stamp | None:
    """The stamp of what an item shows: its pictures', else that of the delete that took them; None before both."""
    return state.image.at if state.live and state.image is not None else state.deleted


def _refs(state: ItemState) -> tuple[str, ...]:
    return state.image.refs if state.live and state.image is not None else ()


def _readable(record: StateRecord) -> ItemState | None:
    """The state of a record; None for a null one, and for one that nobody can read, which is said."""
    if record.value is None:
        return None
    try:
        return decode_state(record.value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        log.warning("state_unreadable", partition=record.partition, offset=record.offset, error=str(error))
        return None


def _count(batch: EmbedBatch, outcome: str) -> None:
    batch.outcomes[outcome] = batch.outcomes.get(outcome, 0) + 1
