"""A null among the states becomes a null among the vectors, unless something newer of the item is known."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from schemas.item_state import ItemState, Origin, Stamp, apply_change, encode_state
from schemas.retry_settings import RetrySettings
from schemas.vector_record import StageTimes
from streams.embed import EmbedHandler
from streams.embed_memo import EmbedMemo
from streams.embed_result import EmbedBatch, EmbedResults, StateRecord, VectorWrite
from streams.retry_policy import RetryPolicy
from tests.unit.streams.test_embed_handler import DIMENSION, GOOD, FakeEmbedder, Notes, delete, upsert, whole

DELETED = Stamp(4, 7, 7, 2)


def handler(notes: Notes | EmbedMemo) -> EmbedHandler:
    results = EmbedResults("g1", "f" * 16, DIMENSION, RetryPolicy(RetrySettings()))
    return EmbedHandler(DIMENSION, FakeEmbedder(), notes, results)


def run(records: Sequence[StateRecord], notes: Notes) -> EmbedBatch:
    return asyncio.run(whole(handler(notes), records))


def null(as_of: Stamp | None = DELETED) -> StateRecord:
    return StateRecord(None, 3, 100, 2_000, "a", as_of)


def state(version: int, offset: int) -> StateRecord:
    made = apply_change(None, upsert(GOOD, version=version), Origin(0, offset, 5))
    return StateRecord(encode_state(made), 3, 100 + offset, 2_000)


def dead() -> StateRecord:
    made: ItemState | None = None
    for offset, change in enumerate([upsert(GOOD, version=1), delete(version=4)]):
        made = apply_change(made, change, Origin(0, offset, 5))
    assert made is not None
    return StateRecord(encode_state(made), 3, 100, 2_000)


def test_a_null_is_passed_on_and_its_note_dropped() -> None:
    notes = Notes({"a": DELETED})
    batch = run([null()], notes)
    assert batch.writes == [VectorWrite("a", None, 3, StageTimes(), DELETED)]
    assert batch.stamps == {}
    assert batch.outcomes == {"forgotten": 1}
    assert notes == {}


def test_without_a_note_it_is_passed_on_all_the_same() -> None:
    assert run([null()], Notes()).outcomes == {"forgotten": 1}


def test_a_null_of_something_older_forgets_nothing() -> None:
    notes = Notes({"a": Stamp(5, 0, 0, 1)})
    assert run([null()], notes).writes == []
    assert notes == {"a": Stamp(5, 0, 0, 1)}


def test_a_null_that_does_not_say_as_of_when_forgets_nothing() -> None:
    assert run([null(None)], Notes()).outcomes == {"empty": 1}


def test_what_comes_after_a_null_is_new_even_with_an_older_version() -> None:
    batch = run([dead(), null(), state(2, 9)], Notes())
    assert [(w.item_id, w.value is None) for w in batch.writes] == [("a", False)]
    assert batch.outcomes == {"superseded": 2, "embedded": 1}
    notes = Notes({"a": DELETED})
    one = handler(notes)

    async def both() -> list[EmbedBatch]:
        return [await whole(one, [null()]), await whole(one, [state(2, 9)])]

    forgotten, embedded = asyncio.run(both())
    assert [w.value is None for w in forgotten.writes + embedded.writes] == [True, False]


@pytest.mark.parametrize(("as_of", "dropped"), [(Stamp(4, 7, 7, 2), True), (Stamp(4, 7, 7, 1), False)])
def test_the_notes_on_disk_drop_what_is_as_old(tmp_path: Path, as_of: Stamp, dropped: bool) -> None:
    memo = EmbedMemo(tmp_path / "notes")
    memo.put({"a": DELETED})
    assert memo.forget("a", as_of) == dropped
    assert memo.get("a") == (None if dropped else DELETED)
    assert memo.forget("never seen", as_of)
    memo.close()
