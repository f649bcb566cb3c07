"""What the fresh buffer has never takes the places of better items that lie deeper in the graph."""

from pathlib import Path

import numpy as np
import pytest

from index_shards.searcher import Query
from index_shards.shard import Shard
from schemas.filters import parse_filter
from schemas.vector_record import StageTimes, make_vector_record
from tests.unit.shard.oracle import DIMENSION, MODEL, change_state, generation, open_shard, patiently

K, GRAPH, FRESH = 10, 400, 60
QUERY = np.eye(1, DIMENSION, dtype=np.float32)[0]


def rows_near(scores: np.ndarray, seed: int) -> np.ndarray:
    """Unit vectors with these cosines to the query."""
    rest = np.random.default_rng(seed).standard_normal((len(scores), DIMENSION))
    rest[:, 0] = 0
    rest /= np.linalg.norm(rest, axis=1, keepdims=True)
    rows = scores[:, None] * QUERY + np.sqrt(1 - scores**2)[:, None] * rest
    return rows.astype(np.float16).astype(np.float32)


def put(shard: Shard, number: int, rows: np.ndarray, passes: bool) -> None:
    state = change_state(f"i{number:04d}", "upsert", 1, number, {"passes": passes}, images=len(rows))
    assert state.upserted is not None
    fingerprints = [f"{number}-{at}".encode() for at in range(len(rows))]
    record = make_vector_record(state.upserted, MODEL, fingerprints, rows, StageTimes())
    shard.apply_state(state)
    patiently(shard, lambda: shard.apply_vectors(state.item_id, record))


def settle(shard: Shard) -> None:
    while shard.drain():
        pass


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    return open_shard(tmp_path, generation(), buffer_capacity=128, buffer_drain=100)


def test_under_a_broad_filter_that_few_pass_nearby(shard: Shard) -> None:
    # Half of all pass, but none of the nearest third; what is fresh passes and is far away.
    scores = np.linspace(0.95, 0.5, GRAPH)
    for number, row in enumerate(rows_near(scores, 1)):
        put(shard, number, row[None], number >= GRAPH // 3)
    settle(shard)
    for number, row in enumerate(rows_near(np.linspace(0.3, 0.1, FRESH), 2), start=GRAPH):
        put(shard, number, row[None], True)
    assert shard.counts().buffer_vectors == FRESH
    found = shard.search(Query(QUERY, K, parse_filter({"passes": True}))).items
    first = GRAPH // 3
    assert [item.item_id for item in found] == [f"i{n:04d}" for n in range(first, first + K)]
    shard.close()


def test_where_the_nearest_pictures_are_of_few_items(shard: Shard) -> None:
    # The nearest 24 pictures are three items', and each of the next is one's.
    scores = np.linspace(0.95, 0.9, 24)
    for number, rows in enumerate(np.split(rows_near(scores, 3), 3)):
        put(shard, number, rows, True)
    for number, row in enumerate(rows_near(np.linspace(0.85, 0.5, GRAPH), 4), start=3):
        put(shard, number, row[None], True)
    settle(shard)
    for number, row in enumerate(rows_near(np.linspace(0.3, 0.1, FRESH), 5), start=3 + GRAPH):
        put(shard, number, row[None], True)
    found = shard.search(Query(QUERY, K)).items
    assert [item.item_id for item in found] == [f"i{n:04d}" for n in range(K)]
    shard.close()


def test_where_the_nearest_is_left_out(shard: Shard) -> None:
    for number, row in enumerate(rows_near(np.linspace(0.95, 0.5, GRAPH), 6)):
        put(shard, number, row[None], True)
    settle(shard)
    for number, row in enumerate(rows_near(np.linspace(0.3, 0.1, FRESH), 7), start=GRAPH):
        put(shard, number, row[None], True)
    found = shard.search(Query(QUERY, K, exclude="i0000")).items
    assert [item.item_id for item in found] == [f"i{n:04d}" for n in range(1, K + 1)]
    shard.close()
