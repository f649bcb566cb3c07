"""Vectors of another embedding space, and what is no vector, change nothing."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from index_shards.applying import Outcome
from index_shards.searcher import Query
from schemas.errors import InputError, NotReady
from schemas.item_state import Stamp
from schemas.vector_record import VectorRecord
from tests.unit.shard.oracle import DIMENSION, MODEL, change_state, open_shard, picture_vector, vectors_of

AT = Stamp(9, 9, 9, 1)


def raw(vector: list[float], pictures: int = 1) -> VectorRecord:
    rows = np.tile(np.array(vector, "<f2"), pictures)
    return VectorRecord(AT, MODEL, DIMENSION, tuple(bytes([n]) for n in range(pictures)), rows.tobytes())


@pytest.mark.parametrize(
    ("record", "outcome"),
    [
        (vectors_of(AT, b"x", model="other"), Outcome.FOREIGN),
        (vectors_of(AT, model="other"), Outcome.FOREIGN),
        (vectors_of(AT, b"x", dimension=DIMENSION * 2), Outcome.FOREIGN),
        (raw([0.0] * DIMENSION), Outcome.UNUSABLE),
        (raw([float("nan")] * DIMENSION), Outcome.UNUSABLE),
        (raw([float("inf")] + [0.0] * (DIMENSION - 1)), Outcome.UNUSABLE),
        (raw([1.0] * DIMENSION), Outcome.UNUSABLE),
        (raw([1.0] + [0.0] * (DIMENSION - 1), pictures=9), Outcome.UNUSABLE),
    ],
)
def test_refused(tmp_path: Path, record: VectorRecord, outcome: Outcome) -> None:
    shard = open_shard(tmp_path)
    state = change_state("a", "upsert", 1, 1)
    assert state.upserted is not None
    shard.apply_state(state)
    assert shard.apply_vectors("a", vectors_of(state.upserted, b"mine")).outcome is Outcome.CHANGED
    before = shard.get("a")
    assert shard.apply_vectors("a", record).outcome is outcome
    assert shard.get("a") == before
    assert shard.search(Query(picture_vector(b"mine"), 5)).items[0].item_id == "a"
    shard.close()


def test_outcomes_tell_repetition_from_staleness(tmp_path: Path) -> None:
    shard = open_shard(tmp_path)
    old, new = change_state("a", "upsert", 1, 1, {"n": 1}), change_state("a", "upsert", 2, 2, {"n": 2})
    assert old.upserted is not None
    assert new.upserted is not None
    assert shard.apply_state(new).outcome is Outcome.CHANGED
    assert shard.apply_state(new).outcome is Outcome.REPEATED
    assert shard.apply_state(old).outcome is Outcome.STALE
    assert shard.apply_vectors("a", vectors_of(new.upserted, b"new")).outcome is Outcome.CHANGED
    assert shard.apply_vectors("a", vectors_of(new.upserted, b"new")).outcome is Outcome.REPEATED
    assert shard.apply_vectors("a", vectors_of(old.upserted, b"old")).outcome is Outcome.STALE
    assert msgspec.json.decode(shard.get("a").attributes) == {"n": 2}
    shard.close()


@pytest.mark.parametrize("vector", [np.ones(3), np.full(DIMENSION, np.nan), np.ones((1, DIMENSION))])
def test_a_query_that_does_not_fit_is_refused(tmp_path: Path, vector: np.ndarray) -> None:
    shard = open_shard(tmp_path)
    with pytest.raises(InputError):
        shard.search(Query(vector.astype(np.float32), 1))
    shard.close()


def test_only_a_serving_shard_answers(tmp_path: Path) -> None:
    shard = open_shard(tmp_path)
    query = Query(picture_vector(b"x"), 1)
    assert shard.search(query).items == []
    shard.fail("the log has a gap")
    with pytest.raises(NotReady, match="failed: the log has a gap"):
        shard.search(query)
    with pytest.raises(NotReady):
        shard.get("a")
    shard.close()
