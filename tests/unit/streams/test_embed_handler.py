"""What the embed handler makes of a batch of states: which pictures it embeds, and which records and rejects follow."""

import asyncio
import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder.model_queue import Embedded
from schemas.changes import CatalogChange
from schemas.errors import ImageRejected, LookaliveError, ModelFailed, NotReady
from schemas.item_state import ItemState, Origin, Stamp, apply_change, encode_state
from schemas.rejects import decode_reject
from schemas.retry_settings import RetrySettings
from schemas.vector_record import StageTimes, VectorRecord, decode_vector_record
from streams.embed import EmbedHandler
from streams.embed_result import EmbedBatch, EmbedResults, StateRecord, deciding_stamp, empty_batch
from streams.retry_policy import RetryPolicy

DIMENSION = 4
GOOD, BAD = "file:///good.png", "file:///bad.png"


class FakeEmbedder:
    """Answers at once; `failing` says with what for which picture."""

    def __init__(self, failing: dict[str, list[LookaliveError]] | None = None) -> None:
        self.asked: list[str] = []
        self._failing = failing or {}

    async def embed(self, picture: str | bytes, /) -> Embedded:
        assert isinstance(picture, str)
        self.asked.append(picture)
        await asyncio.sleep(0)
        errors = self._failing.get(picture, [])
        if errors:
            raise errors[0] if len(errors) == 1 else errors.pop(0)
        if picture == BAD:
            raise ImageRejected("it is no picture", code="image_corrupt")
        vector = np.zeros(DIMENSION, dtype=np.float32)
        vector[hash(picture) % DIMENSION] = 1.0
        return Embedded(vector, picture.encode()[-16:].rjust(16), 30, 40, 2.0)


class Notes(dict[str, Stamp]):
    """A memo in memory."""

    def waits(self, item_id: str) -> bool:
        return False

    def forget(self, item_id: str, as_of: Stamp) -> bool:
        if item_id in self and self[item_id] > as_of:
            return False
        self.pop(item_id, None)
        return True


def state_of(*changes: CatalogChange) -> ItemState:
    state: ItemState | None = None
    for offset, change in enumerate(changes):
        state = apply_change(state, change, Origin(0, offset, 1_000 + offset))
    assert state is not None
    return state


def upsert(*images: str, item_id: str = "a", version: int | None = None) -> CatalogChange:
    return CatalogChange(op="upsert", item_id=item_id, images=images, version=version)


def delete(version: int | None = None, item_id: str = "a") -> CatalogChange:
    return CatalogChange(op="delete", item_id=item_id, version=version)


def patch(item_id: str = "a") -> CatalogChange:
    return CatalogChange(op="patch", item_id=item_id, attributes={"price": 1})


def handle(
    states: Sequence[ItemState | bytes | None], embedder: FakeEmbedder | None = None, notes: Notes | None = None
) -> EmbedBatch:
    results = EmbedResults("g1", "f" * 16, DIMENSION, RetryPolicy(RetrySettings()))
    handler = EmbedHandler(DIMENSION, embedder or FakeEmbedder(), notes if notes is not None else Notes(), results)
    values = [encode_state(s) if isinstance(s, ItemState) else s for s in states]
    return asyncio.run(whole(handler, [StateRecord(v, 3, 100 + n, 2_000) for n, v in enumerate(values)]))


async def whole(handler: EmbedHandler, taken: Sequence[StateRecord]) -> EmbedBatch:
    """All parts of a batch as one."""
    batch = empty_batch()
    async for part in handler.handle(taken):
        batch.writes.extend(part.writes)
        batch.rejects.extend(part.rejects)
        batch.stamps.update(part.stamps)
        for outcome, count in part.outcomes.items():
            batch.outcomes[outcome] = batch.outcomes.get(outcome, 0) + count
    return batch


def records(batch: EmbedBatch) -> dict[str, VectorRecord]:
    assert len({w.item_id for w in batch.writes}) == len(batch.writes)
    return {w.item_id: decode_vector_record(w.value) for w in batch.writes}


def test_a_new_picture_becomes_a_record_with_its_times() -> None:
    state = state_of(upsert(GOOD))
    batch = handle([state])
    record = records(batch)["a"]
    assert record.image_at == Stamp(0, 1_000, 0, 1)
    assert record.times == StageTimes(1_000, 2_000, 30, 40)
    assert (record.model, record.matrix().shape) == ("f" * 16, (1, DIMENSION))
    assert batch.writes[0].partition == 3
    assert batch.stamps == {"a": record.image_at}


def test_only_the_newest_state_of_an_item_counts() -> None:
    embedder = FakeEmbedder()
    states = [state_of(upsert("file:///1.png")), state_of(upsert("file:///1.png"), upsert("file:///2.png"))]
    batch = handle([states[1], states[0], states[1]], embedder)
    assert embedder.asked == ["file:///2.png"]
    assert batch.outcomes == {"superseded": 2, "embedded": 1}


def test_attributes_alone_embed_nothing() -> None:
    embedder, notes = FakeEmbedder(), Notes()
    first = handle([state_of(upsert(GOOD))], embedder, notes)
    notes.update(first.stamps)
    second = handle([state_of(upsert(GOOD), patch())], embedder, notes)
    assert second.writes == []
    assert second.outcomes == {"known": 1}
    assert embedder.asked == [GOOD]


def test_an_older_state_than_the_noted_one_embeds_nothing() -> None:
    notes = Notes({"a": Stamp(9, 0, 0, 1)})
    assert handle([state_of(upsert(GOOD, version=8))], notes=notes).writes == []


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ([upsert(GOOD), delete()], Stamp(0, 1_001, 1, 2)),
        ([delete()], Stamp(0, 1_000, 0, 2)),
        ([upsert(GOOD), upsert()], Stamp(0, 1_001, 1, 1)),
        ([upsert(GOOD), delete(), CatalogChange(op="upsert", item_id="a", attributes={})], Stamp(0, 1_001, 1, 2)),
    ],
)
def test_nothing_to_show_is_said_once(changes: list[CatalogChange], at: Stamp) -> None:
    notes = Notes()
    batch = handle([state_of(*changes)], notes=notes)
    record = records(batch)["a"]
    assert record.is_delete
    assert record.image_at == at
    notes.update(batch.stamps)
    assert handle([state_of(*changes, patch())], notes=notes).writes == []


def test_an_item_that_never_showed_anything_needs_no_record() -> None:
    batch = handle([state_of(patch()), state_of(CatalogChange(op="upsert", item_id="b", attributes={})), None])
    assert (batch.writes, batch.rejects) == ([], [])


def test_a_deleted_item_that_comes_back_is_embedded_again() -> None:
    notes = Notes()
    for changes in ([upsert(GOOD)], [upsert(GOOD), delete()], [upsert(GOOD), delete(), upsert(GOOD)]):
        batch = handle([state_of(*changes)], notes=notes)
        assert len(batch.writes) == 1
        notes.update(batch.stamps)
    assert not records(batch)["a"].is_delete


def test_good_pictures_are_kept_and_bad_ones_refused_one_by_one() -> None:
    batch = handle([state_of(upsert(GOOD, BAD, "file:///2.png", BAD))])
    assert len(records(batch)["a"].fingerprints) == 2
    rows = [decode_reject(r.value) for r in batch.rejects]
    assert [(r.reason, r.details["image"]) for r in rows] == [("image_corrupt", BAD)] * 2
    assert [(r.key, r.partition, r.headers) for r in batch.rejects] == [(b"a", 3, [("reason", b"image_corrupt")])] * 2


def test_no_good_picture_leaves_the_old_record_and_is_refused_once() -> None:
    notes = Notes()
    batch = handle([state_of(upsert(BAD))], notes=notes)
    assert batch.writes == []
    row = decode_reject(batch.rejects[0].value)
    assert (row.origin.topic, row.origin.partition, row.origin.offset) == ("items.state", 3, 100)
    assert json.loads(row.original_bytes() or b"") == {
        "op": "upsert",
        "item_id": "a",
        "image_url": BAD,
        "version": 0,
        "event_time": "1970-01-01T00:00:00.001000Z",
    }
    notes.update(batch.stamps)
    again = handle([state_of(upsert(BAD), patch())], notes=notes)
    assert (again.writes, again.rejects) == ([], [])


def test_a_model_that_fails_on_one_picture_only_refuses_that_one() -> None:
    failing = {"file:///hard.png": [ModelFailed("no")]}
    batch = handle([state_of(upsert(GOOD)), state_of(upsert("file:///hard.png", item_id="b"))], FakeEmbedder(failing))
    assert set(records(batch)) == {"a"}
    assert [r.reason for r in batch.rejects] == ["vector_invalid"]


def test_a_model_that_failed_once_is_asked_again() -> None:
    failing: dict[str, list[LookaliveError]] = {GOOD: [ModelFailed("no")]}

    class Recovering(FakeEmbedder):
        async def embed(self, picture: str | bytes, /) -> Embedded:
            if len(self.asked) == 1:
                failing.clear()
            return await super().embed(picture)

    batch = handle([state_of(upsert(GOOD))], Recovering(failing))
    assert set(records(batch)) == {"a"}
    assert batch.rejects == []


@pytest.mark.parametrize("error", [ModelFailed("no"), NotReady("ended")])
def test_a_model_that_fails_on_everything_blames_no_picture(error: LookaliveError) -> None:
    with pytest.raises(type(error)):
        handle([state_of(upsert(GOOD))], FakeEmbedder({GOOD: [error]}))


def test_what_is_no_state_is_passed_over() -> None:
    batch = handle([b"rubbish", state_of(upsert(GOOD))])
    assert set(records(batch)) == {"a"}
    assert batch.outcomes == {"unreadable": 1, "embedded": 1}


ops = st.one_of(
    st.builds(upsert, st.sampled_from([GOOD, BAD]), version=st.none() | st.integers(0, 5)),
    st.builds(upsert, version=st.none() | st.integers(0, 5)),
    st.builds(delete, st.none() | st.integers(0, 5)),
    st.builds(patch),
)


@given(st.lists(ops, min_size=1, max_size=12), st.lists(st.integers(1, 4), min_size=12, max_size=12))
def test_the_last_record_is_of_the_last_state_however_it_is_cut_into_batches(
    changes: list[CatalogChange], sizes: list[int]
) -> None:
    states: list[ItemState] = []
    for offset, change in enumerate(changes):
        states.append(apply_change(states[-1] if states else None, change, Origin(0, offset, 1_000 + offset)))
    notes, written, stamps = Notes(), [], []
    while states:
        taken, states = states[: sizes[0]], states[sizes[0] :]
        sizes = sizes[1:]
        batch = handle(taken, notes=notes)
        notes.update(batch.stamps)
        written += list(records(batch).values())
        stamps += list(batch.stamps.values())
        last = taken[-1]
    assert stamps == sorted(set(stamps)), "a stamp is settled once, in order"
    at = deciding_stamp(last)
    if at is not None:
        refs = last.image.refs if last.image is not None and last.live else ()
        assert stamps[-1] == at
        if refs != (BAD,):
            assert (written[-1].image_at, written[-1].is_delete) == (at, not refs)
