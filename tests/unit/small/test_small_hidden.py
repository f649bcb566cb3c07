"""What is dead or refused by a filter is never found, and what is left still is: scattered, or all around a query."""

from pathlib import Path

import numpy as np
import pytest

from index_shards.small_graph import SmallGraph
from tests.unit.small.small_vectors import filled, found_by, generation, ordinals_of, originals, recall

COUNT, QUERIES, DIMENSION = 6000, 40, 64


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return originals(COUNT + QUERIES, DIMENSION)


@pytest.fixture(scope="module")
def one_graph(rows: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> SmallGraph:
    return filled(tmp_path_factory.mktemp("small"), rows[:COUNT])


@pytest.fixture
def graph(one_graph: SmallGraph, tmp_path: Path) -> SmallGraph:
    """A copy to mark in."""
    ordinals = one_graph.write(tmp_path / "graph")
    return SmallGraph.load(generation(DIMENSION), tmp_path / "graph", ordinals, tmp_path)


@pytest.mark.parametrize("forget", [False, True])
def test_each_query_s_nearest_are_dead(graph: SmallGraph, rows: np.ndarray, forget: bool) -> None:
    alive = np.ones(COUNT, bool)
    for query in rows[COUNT:]:
        alive[np.argsort(-(rows[:COUNT] @ query))[:100]] = False
    dead = ordinals_of(np.flatnonzero(~alive)).tolist()
    for ordinal in dead:
        if forget:
            graph.places.forget(ordinal)
        else:
            graph.places.hide(ordinal, True)
    for query in rows[COUNT:]:
        assert not set(dead) & set(found_by(graph, query).ordinals)
    assert recall(graph, rows[:COUNT], rows[COUNT:], alive) >= 0.93
    assert graph.forgotten == forget * len(dead)
    assert (graph.places.position(dead[0]) is None) == forget


def test_raised_again(graph: SmallGraph, rows: np.ndarray) -> None:
    nearest = int(found_by(graph, rows[COUNT], exact=True, depth=1).ordinals[0])
    graph.places.hide(nearest, True)
    assert nearest not in found_by(graph, rows[COUNT]).ordinals
    graph.places.hide(nearest, False)
    assert nearest in found_by(graph, rows[COUNT]).ordinals


@pytest.mark.parametrize("share", [0.5, 0.4, 0.1, 0.01, 0.001])
@pytest.mark.parametrize("correlated", [False, True])
def test_filters(graph: SmallGraph, rows: np.ndarray, share: float, correlated: bool) -> None:
    order = np.argsort(rows[:COUNT, 0]) if correlated else np.random.default_rng(5).permutation(COUNT)
    passed = np.zeros(COUNT, bool)
    passed[order[: int(share * COUNT)]] = True
    slots = np.flatnonzero(passed)
    for query in rows[COUNT:]:
        found = found_by(graph, query, slots)
        assert passed[np.array(found.ordinals) & 0xFFFFFFFF].all()
        assert found.complete == (len(slots) <= len(found.ordinals))
    if len(slots) >= 10:
        assert recall(graph, rows[:COUNT], rows[COUNT:], passed, allowed=slots) >= 0.95


def test_all_dead(graph: SmallGraph, rows: np.ndarray) -> None:
    for ordinal in ordinals_of(np.arange(COUNT)).tolist():
        graph.places.hide(ordinal, True)
    found = found_by(graph, rows[0])
    assert found.complete
    assert not found.ordinals
