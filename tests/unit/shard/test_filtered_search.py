"""Filters pick exactly the items the reference picks, whether few or many pass."""

from pathlib import Path

import numpy as np
import pytest

from index_shards import graph_search
from index_shards.searcher import Query
from schemas.filters import parse_filter
from tests.unit.shard.oracle import (
    Oracle,
    change_state,
    check_hits,
    generation,
    open_shard,
    patiently,
    picture_vector,
    vectors_of,
)

ITEMS = 600


@pytest.mark.parametrize("small", [0, 2000])
def test_against_the_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: int, storage: str) -> None:
    monkeypatch.setattr(graph_search, "SMALL", small)
    monkeypatch.setattr(graph_search, "SCAN_BELOW", 2.0)
    shard, oracle = open_shard(tmp_path, generation(storage=storage)), Oracle()
    for n in range(ITEMS):
        attributes = {"color": ["red", "blue", "green"][n % 3], "price": n, "tags": ["x", str(n % 5)], "rare": n == 17}
        if n % 4 == 0:
            attributes["note"] = None
        state = change_state(f"i{n:04d}", "upsert", 1, n, attributes)
        assert state.upserted is not None
        record = vectors_of(state.upserted, f"i{n}".encode())
        oracle.state(state)
        oracle.vectors(state.item_id, record)
        shard.apply_state(state)
        patiently(shard, lambda state=state, record=record: shard.apply_vectors(state.item_id, record))
    filters = [
        {"color": "red"},
        {"price": {"lt": 10}},
        {"price": {"gte": 590}, "color": {"in": ["red", "blue"]}},
        {"tags": "3"},
        {"rare": True},
        {"rare": 1},
        {"note": {"not": "x"}},
        {"or": [{"color": "red"}, {"price": {"gt": 300}}]},
        {"color": "violet"},
    ]
    for raw in filters:
        for seed in range(3):
            vector = picture_vector(f"q{seed}".encode())
            for k in (1, 10, 700):
                found = shard.search(Query(vector, k, parse_filter(raw)))
                check_hits([(h.item_id, h.score) for h in found.items], oracle.search(vector, k, raw))
    shard.close()


def test_attributes_no_item_has_are_named(tmp_path: Path) -> None:
    shard = open_shard(tmp_path)
    state = change_state("a", "upsert", 1, 1, {"color": "red", "size": None})
    assert state.upserted is not None
    shard.apply_state(state)
    shard.apply_vectors("a", vectors_of(state.upserted, b"a"))
    wanted = parse_filter({"color": "red", "or": [{"colour": "red"}, {"size": {"not": 1}}]})
    found = shard.search(Query(picture_vector(b"a"), 5, wanted))
    assert [h.item_id for h in found.items] == ["a"]
    assert found.unknown_attributes == ["colour"]
    shard.apply_state(change_state("a", "delete", 2, 2))
    assert shard.search(Query(np.asarray(picture_vector(b"a")), 5, wanted)).unknown_attributes == [
        "color",
        "colour",
        "size",
    ]
    shard.close()
