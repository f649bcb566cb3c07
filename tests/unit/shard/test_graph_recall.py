"""The graph finds what brute force finds, as it grows slice by slice, with dead positions, and after a restart."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from index_shards.compaction import compact
from index_shards.dead_hits import DeadHits
from index_shards.graph_kinds import load_graph, new_graph
from index_shards.graph_search import search_graph
from index_shards.id_map import Shown
from index_shards.tiers import Tiers
from index_shards.vector_graph import VectorGraph
from tests.unit.shard.oracle import generation

COUNT, DIMENSION, K = 6000, 64, 10
LOCK = nullcontext()


def unit_vectors(count: int, seed: int) -> np.ndarray:
    """Vectors with a shared, decaying covariance: neither clustered nor uniform."""
    chance = np.random.default_rng(seed)
    scales = (
        np.linspace(1, 0.1, DIMENSION) @ np.linalg.qr(np.random.default_rng(0).standard_normal((DIMENSION,) * 2))[0]
    )
    rows = chance.standard_normal((count, DIMENSION)) * np.abs(scales)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float16).astype(np.float32)


@pytest.mark.parametrize("kind", ["fp16", "fp32", "sq8", "small"])
def test_recall(tmp_path: Path, kind: str) -> None:
    of = generation(DIMENSION, storage=kind)
    vectors, queries = unit_vectors(COUNT, 1), unit_vectors(50, 2)
    graph = new_graph(of, tmp_path)
    if graph.wants_training:
        graph.train(vectors[:1000])
    ordinals = np.arange(COUNT, dtype=np.int64) + 100
    for at in range(0, COUNT, 250):
        graph.make_room(250, LOCK)
        graph.prepare(vectors[at : at + 250])
        graph.add(ordinals[at : at + 250], vectors[at : at + 250], LOCK)
    dead = np.zeros(COUNT, bool)
    dead[::4] = True
    for position in np.flatnonzero(dead):
        graph.places.tombstones.mark(int(position), True)
    assert recall(graph, vectors, queries, dead) >= 0.95

    kept = graph.write(tmp_path / "graph")
    again = load_graph(of, tmp_path, tmp_path / "graph", kept)
    for position in np.flatnonzero(dead):
        again.places.tombstones.mark(int(position), True)
    again.make_room(1, LOCK)
    again.prepare(queries[:1])
    again.add(np.array([7], np.int64), queries[:1], LOCK)
    found = search_graph(again, queries[0], 1, None, False, DeadHits())
    assert found.ordinals == [7]
    assert recall(again, np.vstack([vectors, queries[:1]]), queries[1:], np.append(dead, True)) >= 0.95


def recall(graph: VectorGraph, vectors: np.ndarray, queries: np.ndarray, dead: np.ndarray) -> float:
    hits = 0
    for query in queries:
        scores = np.where(dead, -2, vectors @ query)
        best = set((np.argsort(-scores)[:K] + 100).tolist())
        found = search_graph(graph, query, K, None, False, DeadHits())
        assert not found.complete
        assert not any(dead[o - 100] for o in found.ordinals if o != 7)
        hits += len(best & set(found.best(K)))
    return hits / (K * len(queries))


def test_compaction_keeps_the_living_and_drops_the_forgotten(tmp_path: Path, storage: str) -> None:
    tiers = Tiers(generation(DIMENSION, storage=storage), 2000, tmp_path)
    vectors = unit_vectors(1500, 3)
    with tiers.lock:
        ordinals = [tiers.new_picture(row) for row in vectors]
        numbers = [tiers.id_map.items.create(str(n)) for n in range(len(vectors))]
        for number, ordinal in zip(numbers, ordinals, strict=True):
            tiers.show(number, (), Shown((ordinal,), b"{}", True))
    while tiers.drain(256):
        pass
    with tiers.lock:
        for number in numbers[::3]:
            assert tiers.remove(number, (ordinals[number],)) == [ordinals[number]]
    assert not compact(tiers, stopped=lambda: True)
    assert len(tiers.graph) == 1500
    assert compact(tiers, stopped=lambda: False)
    assert len(tiers.graph) == 1000
    rows = tiers.vectors_of([ordinal for n, ordinal in enumerate(ordinals) if n % 3])
    assert rows is not None
    assert np.array_equal(rows, np.delete(vectors, slice(0, None, 3), axis=0))
    assert tiers.vectors_of([ordinals[0]]) is None
