"""Searching a small graph: positions are proposed by their codes under the lock, and ranked by their originals without.

What is proposed follows the same rules as in a full graph: a walk, widened where the dead or a filter's refused crowd
around the query, or a look at every code that is eligible.
"""

import math

import numpy as np

from index_shards.candidates import NOTHING, Candidates, Float32Array, Int64Array
from index_shards.dead_hits import DeadHits
from index_shards.small_graph import SmallGraph
from index_shards.tombstones import selector_of

# Below so many vectors a look at all codes is as quick as the graph.
SMALL = 2000
# A filter that passes less than SCAN_BELOW / sqrt(n) of n vectors is answered by looking at all it passes.
SCAN_BELOW = 20.0
# Above it the graph is searched with at least EF_PER_SELECTIVITY / share candidates.
EF_PER_SELECTIVITY = 40.0
# Near the query, a filter must pass this many of the first walk's candidates for a walk to be trusted.
PASSING_NEAR = 4
# A walk must bring this share of its candidates back alive, and may visit at most this share of the graph.
LIVING_SHARE, WALK_MOST = 0.75, 0.25


def search_small_graph(
    graph: SmallGraph, query: Float32Array, depth: int, allowed: Int64Array | None, exact: bool, dead_hits: DeadHits
) -> Candidates:
    """The `depth` best living vectors for a query of shape (dimension,), of these slots alone if given.

    Exact where asked; elsewhere the best of those that the codes hold for the best.

    Raises:
        OSError: the disk fails.
    """
    with graph.lock.read():
        count = len(graph)
        if not count:
            return NOTHING
        positions = None if allowed is None else _positions_of(graph, allowed, count)
        eligible = count - graph.tombstones.count if positions is None else len(positions)
        if not eligible:
            return NOTHING
        proposed = _proposed(graph, query, depth, positions, eligible, exact, dead_hits)
    found = graph.ranked(proposed, query, depth)
    return found._replace(complete=len(found.ordinals) == eligible)


def _proposed(
    graph: SmallGraph,
    query: Float32Array,
    depth: int,
    positions: Int64Array | None,
    eligible: int,
    exact: bool,
    dead_hits: DeadHits,
) -> Int64Array:
    """The positions worth ranking; all that are eligible, when asked to be exact or when they are few."""
    count, wanted = len(graph), graph.worth_ranking(depth)
    if not exact and eligible > max(wanted, SMALL):
        if positions is None:
            found = _walk(graph, query, depth, dead_hits)
        elif eligible >= SCAN_BELOW * math.sqrt(count):
            found = _walk_within(graph, query, wanted, positions)
        else:
            found = positions[:0]
        if len(found) >= depth:
            return found
    within = np.flatnonzero(~graph.tombstones.mask(count)) if positions is None else positions
    if exact or eligible <= wanted:
        return within
    return graph.look_at_all(query, wanted, selector_of(within, count))


def _positions_of(graph: SmallGraph, slots: Int64Array, count: int) -> Int64Array:
    """The living positions of these slots, each once, ascending."""
    places = graph.positions.values
    found = places[slots[slots < len(places)]].astype(np.int64) - 1
    mask = np.zeros(count, np.bool_)
    mask[found[(found >= 0) & (found < count)]] = True
    mask &= ~graph.tombstones.mask(count)
    return np.flatnonzero(mask)


def _walk(graph: SmallGraph, query: Float32Array, depth: int, dead_hits: DeadHits) -> Int64Array:
    """The best living positions; the dead are walked over and counted.

    Nothing is found when that takes too much of the graph.
    """
    wanted = graph.worth_ranking(depth)
    ef = max(graph.ef_search, wanted)
    if not graph.tombstones.count:
        return graph.look(query, wanted, ef)
    first = True
    while True:
        found = graph.look(query, ef, ef)
        living = np.flatnonzero(~graph.tombstones.dead_at(found))
        if first:
            dead_hits.note(_dead_share(living, depth, len(found)))
            first = False
        if len(living) >= max(depth, LIVING_SHARE * ef):
            return found[living[:wanted]]
        # So wide that the rest of the candidates are alive, if these are all the dead there are.
        ef = min(8 * ef, max(2 * ef, math.ceil((ef - len(living)) / (1 - LIVING_SHARE))))
        if ef > WALK_MOST * len(graph):
            return found[:0]


def _dead_share(living: Int64Array, depth: int, found: int) -> float:
    """The dead share among the best, down to the last living one that is wanted."""
    if len(living) < depth:
        return 1 - len(living) / max(found, 1)
    return 1 - depth / (int(living[depth - 1]) + 1)


def _walk_within(graph: SmallGraph, query: Float32Array, wanted: int, positions: Int64Array) -> Int64Array:
    """The best of these positions alone; nothing where they are rare near the query, or a look at all is quicker."""
    mask = np.zeros(len(graph), np.bool_)
    mask[positions] = True
    near = graph.look(query, graph.ef_search, graph.ef_search)
    passing = int(np.count_nonzero(mask[near]))
    if passing < PASSING_NEAR:
        return near[:0]
    share = min(passing / len(near), len(positions) / len(graph))
    ef = max(graph.ef_search, wanted, math.ceil(EF_PER_SELECTIVITY / share))
    if ef > WALK_MOST * len(positions):
        return near[:0]
    return graph.look(query, wanted, ef, selector_of(positions, len(graph)))
