"""Searching a graph: by walking it, or by looking at every vector that is eligible, whichever serves better.

A walk keeps the `ef` best vectors it has met. The dead and those that a filter refuses take places among them, so that
where they crowd around a query the walk must be wider to bring the same number of others back. How they are spread as a
whole does not tell that; what a first walk meets near the query does.
"""

import math

import numpy as np

from index_shards.candidates import NOTHING, Candidates, Float32Array, Int64Array, nearly_best
from index_shards.dead_hits import DeadHits
from index_shards.graph import Graph
from index_shards.tombstones import selector_of

# Below so many vectors a scan is as quick as the graph, and exact.
SMALL = 2000
# A filter that passes less than SCAN_BELOW / sqrt(n) of n vectors is answered by scanning what it passes.
SCAN_BELOW = 20.0
# Above it the graph is searched with at least EF_PER_SELECTIVITY / share candidates.
EF_PER_SELECTIVITY = 40.0
# Near the query, a filter must pass this many of the first walk's candidates for a walk to be trusted.
PASSING_NEAR = 4
# A walk must bring this share of its candidates back alive, and may visit at most this share of the graph.
LIVING_SHARE, WALK_MOST, MORE_DEAD = 0.75, 0.25, 1.2
SCAN_ROWS = 8192
# Up to so many rows, and this share of the graph, are scored here instead of by a scan of FAISS with a bitmap.
GATHER_ROWS, GATHER_SHARE = 512, 0.005


def search_graph(
    graph: Graph, query: Float32Array, depth: int, allowed: Int64Array | None, exact: bool, dead_hits: DeadHits
) -> Candidates:
    """The `depth` best living vectors for a query of shape (dimension,), of these slots alone if given.

    Exact where asked, where few vectors are eligible, and where the graph finds fewer than there are.
    """
    with graph.lock.read():
        count = len(graph)
        if not count:
            return NOTHING
        dead = graph.tombstones.count
        positions = None if allowed is None else _positions_of(graph, allowed, count)
        eligible = count - dead if positions is None else len(positions)
        if not eligible:
            return NOTHING
        if not (exact or eligible <= max(depth, SMALL)):
            if positions is None:
                found = _walk(graph, query, depth, dead_hits)
            elif eligible < SCAN_BELOW * math.sqrt(count):
                return _scan_some(graph, query, depth, positions)
            else:
                found = _walk_within(graph, query, depth, positions)
            if len(found.ordinals) >= depth:
                return found
        if positions is None:
            positions = np.flatnonzero(~graph.tombstones.mask(count))
        elif not exact and eligible > SMALL:
            return _scan_some(graph, query, depth, positions)
    return scan(graph, query, depth, positions)


def scan(graph: Graph, query: Float32Array, depth: int, positions: Int64Array) -> Candidates:
    """The `depth` best of these positions, and all that may tie with the last; the lock is not held throughout."""
    scores: Float32Array = np.empty(len(positions), np.float32)
    for at in range(0, len(positions), SCAN_ROWS):
        rows = positions[at : at + SCAN_ROWS]
        with graph.lock.read():
            scores[at : at + len(rows)] = graph.score(rows, query)
    best = positions[nearly_best(scores, depth)]
    with graph.lock.read():
        found = graph.named(best, query)
    return found._replace(complete=len(best) == len(positions))


def _positions_of(graph: Graph, slots: Int64Array, count: int) -> Int64Array:
    """The living positions of these slots, each once, ascending."""
    places = graph.positions.values
    found = places[slots[slots < len(places)]].astype(np.int64) - 1
    mask = np.zeros(count, np.bool_)
    mask[found[(found >= 0) & (found < count)]] = True
    mask &= ~graph.tombstones.mask(count)
    return np.flatnonzero(mask)


def _walk(graph: Graph, query: Float32Array, depth: int, dead_hits: DeadHits) -> Candidates:
    """The best living vectors; the dead are walked over and counted.

    Nothing is found when that takes too much of the graph.
    """
    ef = max(graph.ef_search, 2 * depth)
    if not graph.tombstones.count:
        return graph.named(graph.look(query, depth, ef), query)
    first = True
    while True:
        found = graph.look(query, ef, ef)
        dead = graph.tombstones.dead_at(found)
        living = np.flatnonzero(~dead)
        if first:
            dead_hits.note(_dead_share(living, depth, len(found)))
            first = False
        if len(living) >= max(depth, LIVING_SHARE * ef):
            return graph.named(found[living[:depth]], query)
        # So wide that enough would be alive if these were nearly all the dead there are.
        ef = min(8 * ef, max(2 * ef, math.ceil(MORE_DEAD * (ef - len(living)) / (1 - LIVING_SHARE))))
        if ef > WALK_MOST * len(graph):
            return NOTHING


def _dead_share(living: Int64Array, depth: int, found: int) -> float:
    """The dead share among the best, down to the last living one that is wanted."""
    if len(living) < depth:
        return 1 - len(living) / max(found, 1)
    return 1 - depth / (int(living[depth - 1]) + 1)


def _walk_within(graph: Graph, query: Float32Array, depth: int, positions: Int64Array) -> Candidates:
    """The best of these positions alone; nothing where they are too rare near the query, or a scan is cheaper."""
    mask = np.zeros(len(graph), np.bool_)
    mask[positions] = True
    near = graph.look(query, graph.ef_search, graph.ef_search)
    passing = int(np.count_nonzero(mask[near]))
    if passing < PASSING_NEAR:
        return NOTHING
    share = min(passing / len(near), len(positions) / len(graph))
    ef = max(graph.ef_search, 2 * depth, math.ceil(EF_PER_SELECTIVITY / share))
    if ef > WALK_MOST * len(positions):
        return NOTHING
    return graph.named(graph.look(query, depth, ef, selector_of(positions, len(graph))), query)


def _scan_some(graph: Graph, query: Float32Array, depth: int, positions: Int64Array) -> Candidates:
    """The exact best of these positions; the lock is held."""
    if len(positions) <= max(depth, GATHER_ROWS, int(GATHER_SHARE * len(graph))):
        best = positions[nearly_best(graph.score(positions, query), depth)]
    else:
        best = graph.look_at_all(query, min(depth, len(positions)), selector_of(positions, len(graph)))
    return graph.named(best, query)._replace(complete=len(best) == len(positions))
