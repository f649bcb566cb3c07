"""Searches beside adds, growth and marks: what was there before a search began and lives is found."""

import threading
from pathlib import Path

import numpy as np

from index_shards.small_graph import SmallGraph
from tests.unit.small.small_vectors import found_by, generation, ordinals_of, originals

COUNT, DIMENSION, FIRST = 5500, 32, 500


def test_beside_adds(tmp_path: Path) -> None:
    rows = originals(COUNT, DIMENSION)
    graph = SmallGraph(generation(DIMENSION), tmp_path)
    marks = threading.RLock()
    graph.train(rows[:FIRST])
    graph.prepare(rows[:FIRST])
    graph.add(ordinals_of(np.arange(FIRST)), rows[:FIRST], marks)
    missed: list[int] = []
    searched = 0
    done = threading.Event()

    def search() -> None:
        nonlocal searched
        chance = np.random.default_rng(3)
        while not done.is_set():
            one = int(chance.integers(0, len(graph) // 2) * 2 + 1)
            if one < len(graph):
                found = found_by(graph, rows[one])
                searched += 1
                if int(ordinals_of(one)) not in found.ordinals:
                    missed.append(one)

    searchers = [threading.Thread(target=search) for _ in range(2)]
    for searcher in searchers:
        searcher.start()
    for at in range(FIRST, COUNT, 8):
        batch = np.arange(at, min(at + 8, COUNT))
        graph.make_room(len(batch), marks)
        graph.prepare(rows[batch])
        with graph.lock.write():
            graph.add(ordinals_of(batch), rows[batch], marks)
        with marks:
            graph.places.hide(int(ordinals_of(at & ~1)), True)
    done.set()
    for searcher in searchers:
        searcher.join()
    assert searched > 20
    # A walk over approximate codes may miss a vector now and then, even itself.
    assert len(missed) <= searched // 50
    assert np.array_equal(graph.vectors(np.arange(COUNT)), rows)
