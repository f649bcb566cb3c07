"""Getting rid of the dead: a new graph of the living vectors, built beside the one that is searched."""

from collections.abc import Callable

import numpy as np

from index_shards.candidates import Int64Array
from index_shards.graph import GROWTH, TRAINING_VECTORS, Graph
from index_shards.tiers import Tiers

DEAD_SHARE = 0.5
DEAD_AT_LEAST = 1000
SLICE = 256


def is_due(tiers: Tiers) -> bool:
    """Whether more than half of the graph is forgotten, and that is enough to matter.

    A hidden picture of an item that is not live is counted as dead but kept.
    """
    dead, total = tiers.graph.tombstones.count, len(tiers.graph)
    return dead >= DEAD_AT_LEAST and dead > DEAD_SHARE * total and _forgotten(tiers).size > DEAD_SHARE * total


def compact(tiers: Tiers, stopped: Callable[[], bool]) -> bool:
    """Build, then swap; False when it was stopped half-way. Nothing is drained meanwhile, searches go on.

    It needs the memory of the living vectors once more while it runs.
    """
    with tiers.drain_lock:
        old = tiers.graph
        fresh = Graph(tiers.generation)
        total = len(old)
        positions = np.setdiff1d(np.arange(total, dtype=np.int64), _forgotten(tiers), assume_unique=True)
        fresh.reserve(int(len(positions) * GROWTH))
        if fresh.wants_training and len(positions):
            fresh.train(old.vectors(positions[:TRAINING_VECTORS]))
        for at in range(0, len(positions), SLICE):
            if stopped():
                return False
            rows = positions[at : at + SLICE]
            fresh.add(old.ordinals[rows], old.vectors(rows))
        tiers.swap(fresh)
    return True


def _forgotten(tiers: Tiers) -> Int64Array:
    """Positions in the graph of pictures that no item has any more."""
    with tiers.lock:
        known = np.fromiter(tiers.id_map.pictures, np.int64, len(tiers.id_map.pictures))
    ordinals = tiers.graph.ordinals[: len(tiers.graph)]
    return np.flatnonzero(~np.isin(ordinals, known))
