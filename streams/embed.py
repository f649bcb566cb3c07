"""The embed handler: a batch of raw item states, and the vector records that follow. Knows neither Faust nor Kafka."""

import asyncio
from collections.abc import Sequence
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
    """Everything that follows from a batch; `stamps` are noted once the rest is acknowledged."""

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


class EmbedHandler:
    """Embeds what is new in item states.

    An item's deciding stamp is that of its pictures, or of the delete that took them away; a record is written only for
    a stamp newer than the last one written. Older states of an item in the same batch do not count.
    """

    def __init__(self, model: str, dimension: int, embedder: Embedder, memo: Memo) -> None:
        self._model = model
        self._dimension = dimension
        self._embedder = embedder
        self._memo = memo

    async def handle(self, records: Sequence[StateRecord]) -> EmbedBatch:
        """What must be written for these states, in their order.

        Raises:
            ModelFailed: the model fails on everything, so that no picture is to blame.
            NotReady: the embedder has ended.
        """
        batch = EmbedBatch([], [], {}, {})
        tasks = self._tasks(records, batch)
        with_pictures = [task for task in tasks if _refs(task.state)]
        answers = await self._embed([ref for task in with_pictures for ref in _refs(task.state)])
        position = 0
        for task in tasks:
            count = len(_refs(task.state))
            self._settle(task, answers[position : position + count], batch)
            position += count
        return batch

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
        tasks = []
        for task in newest.values():
            written = self._memo.get(task.state.item_id)
            if written is not None and written >= task.stamp:
                _count(batch, "known")
            else:
                tasks.append(task)
        return tasks

    async def _embed(self, refs: list[str]) -> list[_Answer]:
        """Every picture at once; those the model failed on once more, alone, to tell a bad picture from a bad model."""
        answers = await asyncio.gather(*(self._embed_one(ref) for ref in refs))
        failed = [i for i, answer in enumerate(answers) if isinstance(answer.result, ModelFailed)]
        for i in failed:
            answers[i] = await self._embed_one(refs[i])
        still = [answer.result for answer in answers if isinstance(answer.result, ModelFailed)]
        if still and not any(isinstance(answer.result, Embedded) for answer in answers):
            raise still[0]
        return [
            _Answer(a.ref, VectorInvalid(a.result.message)) if isinstance(a.result, ModelFailed) else a for a in answers
        ]

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
        good = [answer.result for answer in answers if isinstance(answer.result, Embedded)]
        for answer in answers:
            if isinstance(answer.result, LookaliveError):
                batch.rejects.append(self._reject(task, answer.ref, answer.result))
        if good or not answers:
            record = self._record(task, good)
            batch.writes.append(VectorWrite(item_id, encode_vector_record(record), task.record.partition))
        _count(batch, "deleted" if not answers else "embedded" if good else "rejected")
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
