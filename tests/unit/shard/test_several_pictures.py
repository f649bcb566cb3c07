"""An item of several pictures is one result, with the score of its best picture."""

from pathlib import Path

import numpy as np
import pytest

from index_shards import graph_search
from index_shards.searcher import Query
from schemas.item_state import Stamp
from schemas.vector_record import StageTimes, make_vector_record
from tests.unit.shard.oracle import DIMENSION, MODEL, change_state, generation, open_shard

ITEMS, PICTURES = 6, 8


def near(angle: float, axis: int) -> np.ndarray:
    """A unit vector at this angle from the first axis."""
    vector = np.zeros(DIMENSION, np.float32)
    vector[0], vector[axis] = np.cos(angle), np.sin(angle)
    return vector


@pytest.mark.parametrize("drained", [False, True])
@pytest.mark.parametrize("small", [0, 2000])
def test_each_item_once_by_its_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drained: bool, small: int, storage: str
) -> None:
    """All pictures of one item are nearer than any of the next, so that few pictures mean one item."""
    monkeypatch.setattr(graph_search, "SMALL", small)
    shard = open_shard(tmp_path, generation(storage=storage), buffer_capacity=64)
    for n in range(ITEMS):
        state = change_state(f"item-{n}", "upsert", 1, n)
        assert state.upserted is not None
        rows = np.stack([near(0.1 * n + 0.01 * p, 1 + p) for p in range(PICTURES)])
        names = tuple(f"{n}/{p}".encode() for p in range(PICTURES))
        shard.apply_state(state)
        shard.apply_vectors(f"item-{n}", make_vector_record(state.upserted, MODEL, names, rows, StageTimes()))
    while drained and shard.drain(flush=True):
        pass
    for k in range(1, ITEMS + 2):
        found = shard.search(Query(near(0, 1), k)).items
        assert [hit.item_id for hit in found] == [f"item-{n}" for n in range(min(k, ITEMS))]
        assert np.allclose([hit.score for hit in found], np.cos(0.1 * np.arange(len(found))), atol=1e-3)
    without = shard.search(Query(near(0, 1), 2, exclude="item-0")).items
    assert [hit.item_id for hit in without] == ["item-1", "item-2"]
    assert len(shard.get("item-3").vectors) == PICTURES
    shard.close()


def test_a_new_record_replaces_every_picture(tmp_path: Path, storage: str) -> None:
    shard = open_shard(tmp_path, generation(storage=storage))
    shard.apply_state(change_state("a", "upsert", 1, 1))
    for version, count in ((1, 3), (2, 1), (3, 2)):
        rows = np.stack([near(0.2 * p, p + version) for p in range(count)])
        names = tuple(f"{version}/{p}".encode() for p in range(count))
        at = Stamp(version, 1000 + version, version, 1)
        shard.apply_vectors("a", make_vector_record(at, MODEL, names, rows, StageTimes()))
        assert len(shard.get("a").vectors) == count
    shard.close()


def test_pictures_fetched_later_than_the_others_join_them_and_never_leave(tmp_path: Path) -> None:
    shard = open_shard(tmp_path, generation(), buffer_capacity=64)
    state = change_state("item", "upsert", 1, 0)
    assert state.upserted is not None
    rows = np.stack([near(0.5, 1), near(0.5, 2)])
    names = (b"first", b"later")
    some = make_vector_record(state.upserted, MODEL, names[:1], rows[:1], StageTimes())
    whole = make_vector_record(state.upserted, MODEL, names, rows, StageTimes())
    shard.apply_state(state)
    scores = []
    for record in (some, whole, some):
        shard.apply_vectors("item", record)
        scores.append(shard.search(Query(near(0.5, 2), 1)).items[0].score)
    assert np.allclose(scores, [np.cos(0.5) ** 2, 1, 1], atol=1e-2)
    assert len(shard.get("item").vectors) == 2
    shard.close()
