"""Searching a graph: by walking it, or by looking at every vector that is eligible, whichever serves better.

A walk keeps the `ef` best vectors it has met. The dead and those that a filter refuses take places among them, so that
where they crowd around a query the walk must be wider to bring the same number of others back. How they are spread as a
whole does not tell that; what a first walk meets near the query does, and how hard the query is.

What a walk or a look proposes, under the graph's lock, is ranked without it.
"""

import math

import numpy as np

from index_shards.candidates import NOTHING, Candidates, Float32Array, Int64Array
from index_shards.dead_hits import DeadHits
from index_shards.local_dimension import SPREAD, local_dimension, widened
from index_shards.tombstones import selector_of_mask
from index_shards.vector_graph import VectorGraph

# Below so many vectors a look at all is as quick as the graph.
SMALL = 2000
# A filter that passes less than SCAN_BELOW / sqrt(n) of n vectors is answered by looking at all it passes.
SCAN_BELOW = 20.0
# Above it the graph is searched with at least EF_PER_SELECTIVITY / share candidates, and WIDER_WITHIN times as many as
# without a filter.
EF_PER_SELECTIVITY, WIDER_WITHIN = 40.0, 2.5
# Near the query, a filter must pass this many of the first walk's candidates for a walk to be trusted.
PASSING_NEAR = 4
# A walk must bring this share of its candidates back alive, and may visit at most this share of the graph.
LIVING_SHARE, WALK_MOST, MORE_DEAD = 0.75, 0.25, 1.2

_NONE: Int64Array = np.empty(0, np.int64)


def search_graph(
    graph: VectorGraph,
    query: Float32Array,
    depth: int,
    allowed: Int64Array | None,
    exact: bool,
    dead_hits: DeadHits,
    width: float = 1.0,
) -> Candidates:
    """The `depth` best living vectors for a query of shape (dimension,), of these slots alone if given.

    Exact where asked; elsewhere as good as what the graph proposes, and it proposes all where few are eligible. A walk
    without slots has at least `width` times the usual number of candidates.

    Raises:
        DiskFailed: the disk fails.
    """
    with graph.lock.read():
        count = len(graph)
        if not count:
            return NOTHING
        positions = None if allowed is None else _positions_of(graph, allowed, count)
        eligible = count - graph.places.tombstones.count if positions is None else len(positions)
        if not eligible:
            return NOTHING
        if exact:
            proposed = _all_of(graph, positions)
        else:
            proposed = _proposed(graph, query, depth, positions, eligible, dead_hits, width)
    found = graph.ranked(proposed, query, depth)
    return found._replace(complete=True) if len(found.scored) == eligible else found


def _proposed(
    graph: VectorGraph,
    query: Float32Array,
    depth: int,
    positions: Int64Array | None,
    eligible: int,
    dead_hits: DeadHits,
    width: float,
) -> Int64Array:
    """The positions worth ranking: of a walk, or where none serves or it brings too few, of a look at all."""
    wanted = graph.worth_ranking(depth)
    if eligible > max(wanted, SMALL):
        if positions is None:
            found = _walk(graph, query, depth, dead_hits, width)
        elif eligible >= SCAN_BELOW * math.sqrt(len(graph)):
            found = _walk_within(graph, query, depth, positions)
        else:
            found = _NONE
        if len(found) >= depth:
            return found
    return graph.look_at_all(query, min(wanted, eligible), _all_of(graph, positions))


def _all_of(graph: VectorGraph, positions: Int64Array | None) -> Int64Array:
    return np.flatnonzero(~graph.places.tombstones.mask(len(graph))) if positions is None else positions


def _positions_of(graph: VectorGraph, slots: Int64Array, count: int) -> Int64Array:
    """The living positions of these slots, each once, ascending."""
    places = graph.places.positions.values
    found = places[slots[slots < len(places)]].astype(np.int64) - 1
    mask = np.zeros(count, np.bool_)
    mask[found[(found >= 0) & (found < count)]] = True
    mask &= ~graph.places.tombstones.mask(count)
    return np.flatnonzero(mask)


def _walk(graph: VectorGraph, query: Float32Array, depth: int, dead_hits: DeadHits, width: float) -> Int64Array:
    """The best living positions; the dead are walked over and counted.

    Nothing is found when that takes too much of the graph.
    """
    wanted, tombstones = graph.worth_ranking(depth), graph.places.tombstones
    ef = max(math.ceil(width * graph.ef_search), 2 * depth, wanted)
    # Where nothing is dead, no more are needed than tell how hard it is.
    count = ef if tombstones.count else min(ef, max(wanted, SPREAD * depth))
    met, at_least = graph.look(query, count, ef), 0
    while True:
        living = met.positions
        if tombstones.count:
            alive = np.flatnonzero(~tombstones.dead_at(living))
            living, met = living[alive], met._replace(scores=met.scores[alive])
            if not at_least:
                dead_hits.note(_dead_share(alive, depth, len(met.positions)))
        at_least = at_least or widened(ef, local_dimension(met.scores, depth))
        if len(living) >= max(depth, LIVING_SHARE * count):
            if ef >= at_least:
                return living[:wanted]
            ef = at_least
        else:
            # So wide that enough would be alive if these were nearly all the dead there are.
            ef = min(8 * ef, max(2 * ef, math.ceil(MORE_DEAD * (ef - len(living)) / (1 - LIVING_SHARE))))
        if ef > WALK_MOST * len(graph):
            return _NONE
        count = ef
        met = graph.look(query, count, ef)


def _dead_share(living: Int64Array, depth: int, found: int) -> float:
    """The dead share among the best, down to the last living one that is wanted."""
    if len(living) < depth:
        return 1 - len(living) / max(found, 1)
    return 1 - depth / (int(living[depth - 1]) + 1)


def _walk_within(graph: VectorGraph, query: Float32Array, depth: int, positions: Int64Array) -> Int64Array:
    """The best of these positions alone; none where they are too rare near the query, or a look at all is cheaper."""
    wanted = graph.worth_ranking(depth)
    mask = np.zeros(len(graph), np.bool_)
    mask[positions] = True
    near = graph.look(query, graph.ef_search, graph.ef_search).positions
    passing = int(np.count_nonzero(mask[near]))
    if passing < PASSING_NEAR:
        return _NONE
    share = min(passing / len(near), len(positions) / len(graph))
    ef = math.ceil(max(WIDER_WITHIN * graph.ef_search, 2 * depth, wanted, EF_PER_SELECTIVITY / share))
    if ef > WALK_MOST * len(positions):
        return _NONE
    return graph.look(query, wanted, ef, selector_of_mask(mask)).positions
