"""A small graph finds what brute force over the originals finds, whatever the codes were fitted to."""

from pathlib import Path

import numpy as np
import pytest

from index_shards.candidates import final_scores
from index_shards.small_graph import SmallGraph
from ops.bench.vectors import normalised
from tests.unit.small.small_vectors import K, filled, found_by, generation, ordinals_of, originals, put, recall

COUNT, QUERIES, DIMENSION = 4000, 60, 512


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return originals(COUNT + QUERIES, DIMENSION)


@pytest.fixture(scope="module")
def graph(rows: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> SmallGraph:
    return filled(tmp_path_factory.mktemp("small"), rows[:COUNT])


def test_recall(graph: SmallGraph, rows: np.ndarray) -> None:
    assert recall(graph, rows[:COUNT], rows[COUNT:]) >= 0.97


def test_exact(graph: SmallGraph, rows: np.ndarray) -> None:
    assert recall(graph, rows[:COUNT], rows[COUNT : COUNT + 10], exact=True) == 1


def test_scores_are_those_of_the_originals(graph: SmallGraph, rows: np.ndarray) -> None:
    found = found_by(graph, rows[COUNT])
    scores = final_scores(rows[np.array(found.ordinals) & 0xFFFFFFFF], rows[COUNT])
    assert found.scored == list(zip(scores, found.ordinals, strict=True))


def test_codes_alone_would_not_do(graph: SmallGraph, rows: np.ndarray) -> None:
    """The ranking by originals is what brings recall up: the best K by their codes are not the best K."""
    hits = 0
    for query in rows[COUNT:]:
        by_codes = graph.look(query, K, graph.ef_search).positions
        hits += len(set(by_codes.tolist()) & set(np.argsort(-(rows[:COUNT] @ query))[:K].tolist()))
    assert hits / (K * QUERIES) < 0.95


def test_a_deep_search(graph: SmallGraph, rows: np.ndarray) -> None:
    query = rows[COUNT]
    found = found_by(graph, query, depth=500)
    best = ordinals_of(np.argsort(-(rows[:COUNT] @ query))[:500])
    assert len(np.intersect1d(best, found.ordinals)) >= 480
    assert found_by(graph, query, depth=COUNT + 1).complete


@pytest.mark.parametrize("sample", [1, 40])
def test_off_centre_vectors_fitted_to_a_small_sample(tmp_path: Path, sample: int) -> None:
    """Vectors that share a large part, as those of one kind of picture do."""
    shared = np.random.default_rng(3).standard_normal(128).astype(np.float32)
    vectors = normalised(originals(3000, 128) + shared / np.linalg.norm(shared))
    vectors = vectors.astype(np.float16).astype(np.float32)
    graph = SmallGraph(generation(128), tmp_path)
    graph.train(vectors[:sample])
    put(graph, vectors[:-40])
    assert recall(graph, vectors[:-40], vectors[-40:]) >= 0.93


def test_an_empty_one_finds_nothing(tmp_path: Path) -> None:
    graph = SmallGraph(generation(16), tmp_path)
    assert graph.wants_training
    assert found_by(graph, np.ones(16, np.float32)).complete
    assert not len(found_by(graph, np.ones(16, np.float32)).ordinals)
