"""What follows from an item's pictures: vectors, rejects, another try later; and the note that it is done."""

from typing import NamedTuple

import numpy as np

from embedder.model_queue import Embedded
from schemas.changes import CatalogChange, encode_change
from schemas.errors import ImageRejected, LookaliveError, ModelFailed, RejectReason, VectorInvalid
from schemas.forgetting import forgotten_header
from schemas.item_state import ImagePart, ItemState, Stamp
from schemas.rejects import RejectOrigin
from schemas.retries import Retry
from schemas.topics import STATES
from schemas.vector_record import StageTimes, VectorRecord, encode_vector_record, make_vector_record
from streams.reject_rows import MAX_MESSAGE_CHARS, RejectRow, reject_row
from streams.retry_policy import RetryPolicy, Tried, was_asked


class StateRecord(NamedTuple):
    """A raw record of `items.state`; `time_us` is its timestamp in microseconds since the epoch.

    Of a null, `item_id` is its key and `forgotten` the stamp as of which the item is forgotten.
    """

    value: bytes | None
    partition: int
    offset: int
    time_us: int
    item_id: str = ""
    forgotten: Stamp | None = None


class VectorWrite(NamedTuple):
    """A record of `vectors.<generation>`, ready to be produced into the item's partition; a null is `forgotten`."""

    item_id: str
    value: bytes | None
    partition: int
    times: StageTimes = StageTimes()
    forgotten: Stamp | None = None

    @property
    def headers(self) -> list[tuple[str, bytes]] | None:
        """What a null says of itself."""
        return None if self.forgotten is None else [forgotten_header(self.forgotten)]


class RetryWrite(NamedTuple):
    """A record of `catalog.retries`, for the item's partition; `otherwise` is what to write where it has no room."""

    retry: Retry
    partition: int
    otherwise: list[RejectRow]


class EmbedBatch(NamedTuple):
    """What follows from some of a batch's states; `stamps` and `waits` are noted once the rest is acknowledged.

    `stamps` are of items that are done, `waits` of those with a record in `retries`.
    """

    writes: list[VectorWrite]
    rejects: list[RejectRow]
    stamps: dict[str, Stamp]
    outcomes: dict[str, int]
    retries: list[RetryWrite]
    waits: dict[str, Stamp]

    @property
    def partitions(self) -> set[int]:
        """Where something is to be written."""
        found = {write.partition for write in self.writes} | {row.partition for row in self.rejects}
        return found | {retry.partition for retry in self.retries}

    def note(self, outcome: str) -> None:
        """One more item had this outcome."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1


def empty_batch() -> EmbedBatch:
    """A part that nothing follows from yet."""
    return EmbedBatch([], [], {}, {}, [], {})


class Task(NamedTuple):
    """An item whose newest state needs a record; `retry` is there when its pictures were tried before."""

    state: ItemState
    record: StateRecord
    stamp: Stamp
    retry: Retry | None = None

    @property
    def forget(self) -> bool:
        """Whether its state was a null: nothing is kept of it any more."""
        return self.retry is None and self.record.forgotten is not None

    @property
    def refs(self) -> tuple[str, ...]:
        """The pictures to embed."""
        refused = () if self.retry is None else self.retry.refused
        return tuple(ref for ref in shown_refs(self.state) if ref not in refused)


class Answer(NamedTuple):
    """What became of one picture."""

    ref: str
    result: Embedded | LookaliveError

    @property
    def error(self) -> LookaliveError | None:
        """Why it has no vector."""
        return self.result if isinstance(self.result, LookaliveError) else None

    @property
    def passing(self) -> LookaliveError | None:
        """A failure after which trying again may help."""
        result = self.result
        if isinstance(result, ModelFailed) or (isinstance(result, ImageRejected) and result.temporary):
            return result
        return None


class EmbedResults:
    """Makes records of one generation from what became of pictures."""

    def __init__(self, generation: str, model: str, dimension: int, policy: RetryPolicy) -> None:
        self._generation = generation
        self._model = model
        self._dimension = dimension
        self._policy = policy

    def add(self, task: Task, answers: list[Answer], batch: EmbedBatch) -> None:
        """Adds to the batch what follows for an item; no answers: it has no pictures to embed."""
        if task.forget:
            null = VectorWrite(task.state.item_id, None, task.record.partition, forgotten=task.stamp)
            batch.writes.append(null)
            batch.note("forgotten")
            return
        item_id, before = task.state.item_id, task.retry
        good = [answer.result for answer in answers if isinstance(answer.result, Embedded)]
        failed = [answer for answer in answers if answer.error is not None]
        retry = self._retry(task, failed, len(good))
        lasting = [answer for answer in failed if retry is None or answer.passing is None]
        attempt = 1 if before is None else before.attempt + was_asked([a.error for a in failed if a.error is not None])
        batch.rejects.extend(_reject(task, answer, attempt) for answer in lasting)
        if not answers or len(good) > (0 if before is None else before.written):
            record = self._record(task, good)
            batch.writes.append(VectorWrite(item_id, encode_vector_record(record), task.record.partition, record.times))
        if retry is None:
            batch.stamps[item_id] = task.stamp
            batch.note("deleted" if not answers else "embedded" if good else "rejected")
            return
        otherwise = [_reject(task, answer, attempt) for answer in failed if answer.passing is not None]
        batch.retries.append(RetryWrite(retry, task.record.partition, otherwise))
        batch.waits[item_id] = task.stamp
        batch.note("waiting")

    def _retry(self, task: Task, failed: list[Answer], good: int) -> Retry | None:
        passing = [failure for answer in failed if (failure := answer.passing) is not None]
        if not passing:
            return None
        before, record = task.retry, task.record
        again = self._policy.again(
            None if before is None else Tried(before.attempt, before.first_failed_us),
            passing,
        )
        if again is None:
            return None
        refused = () if before is None else before.refused
        reason: RejectReason = "vector_invalid" if isinstance(again.error, ModelFailed) else "image_unreachable"
        return Retry(
            item_id=task.state.item_id,
            generation=self._generation,
            image=ImagePart(task.stamp, shown_refs(task.state)),
            attempt=again.tried.attempts,
            not_before_us=again.not_before_us,
            first_failed_us=again.tried.first_failed_us,
            reason=reason,
            message=again.error.message[:MAX_MESSAGE_CHARS],
            origin=RejectOrigin(STATES, record.partition, record.offset, record.time_us),
            refused=(*refused, *(answer.ref for answer in failed if answer.passing is None)),
            written=max(good, 0 if before is None else before.written),
        )

    def _record(self, task: Task, good: list[Embedded]) -> VectorRecord:
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
        fingerprints, lengths = tuple(e.fingerprint for e in good), [e.norm for e in good]
        return make_vector_record(task.stamp, self._model, fingerprints, vectors, times, lengths)


def task_of(retry: Retry) -> Task:
    """The work of a record of `catalog.retries`, as if its item's state had come again."""
    state = ItemState(item_id=retry.item_id, upserted=retry.image.at, image=retry.image)
    origin = retry.origin
    return Task(state, StateRecord(None, origin.partition, origin.offset, origin.time_us), retry.image.at, retry)


def shown_refs(state: ItemState) -> tuple[str, ...]:
    """The pictures an item is to be found by."""
    return state.image.refs if state.live and state.image is not None else ()


def deciding_stamp(state: ItemState) -> Stamp | None:
    """The stamp of what an item shows: its pictures', else that of the delete that took them; None before both."""
    return state.image.at if state.live and state.image is not None else state.deleted


def _reject(task: Task, answer: Answer, attempt: int) -> RejectRow:
    """The original is the upsert of these pictures, as a producer would send it again."""
    state, record, stamp, error = task.state, task.record, task.stamp, answer.result
    assert isinstance(error, LookaliveError)
    if isinstance(error, ModelFailed):
        error = VectorInvalid(error.message)
    original = encode_change(
        CatalogChange(
            op="upsert",
            item_id=state.item_id,
            images=shown_refs(state),
            version=stamp.version,
            time_us=max(stamp.time_us, 0),
        )
    )
    error.details["image"] = answer.ref
    origin = RejectOrigin(STATES, record.partition, record.offset, record.time_us)
    return reject_row(error, origin, state.item_id, original, record.partition, attempt)
