"""Getting rid of the dead: a new graph of the living vectors, built beside the one that is searched.

The old graph goes on being searched and taking what is drained. The new one copies it position by position; since
vectors are only ever appended, what was drained meanwhile is simply what comes last. What is deleted meanwhile is
marked in both. It needs what the living vectors and their links take, in memory and on disk, once more while it runs.
"""

from collections.abc import Callable
from enum import Enum

import numpy as np
import structlog

from index_shards.candidates import Float32Array, Int64Array
from index_shards.tiers import Tiers
from index_shards.vector_graph import TRAINING_VECTORS, VectorGraph
from schemas.errors import DiskFailed

log = structlog.get_logger()

DEAD_AT_LEAST = 1000
# A deleted neighbourhood is worth a new graph when at least this many, and this share, of all vectors are forgotten.
HOLE_AT_LEAST, HOLE_SHARE = 100, 0.005
EF_CONSTRUCTION = 200
ROOM = 1.1
# Vectors copied in one step where nothing waits for it.
BULK_SLICE = 64
CHECKED_QUERIES, CHECKED_K = 64, 10
# A new graph whose recall is lower by more than this, about twice the noise of so many queries, is refused.
WORSE_WITHIN = 0.02
# After a refusal so many times as many must be forgotten before it is tried again.
AGAIN_AFTER = 1.5

#     copying ──> checking ──> catching up ──> swapped
#        │            │             │
#        │            └──> refused  │
#        └────────────┴─────────────┴──> cancelled


class Stage(Enum):
    """How far a compaction is; the diagram is above."""

    COPYING = "copying"
    CHECKING = "checking"
    CATCHING_UP = "catching up"
    SWAPPED = "swapped"
    REFUSED = "refused"
    CANCELLED = "cancelled"


_OVER = (Stage.SWAPPED, Stage.REFUSED, Stage.CANCELLED)


def is_due(tiers: Tiers, dead_share: float) -> bool:
    """Whether more than `dead_share` of the graph is forgotten, or enough of what recent searches met."""
    forgotten, total = tiers.graph.forgotten, len(tiers.graph)
    if tiers.building is not None or forgotten < AGAIN_AFTER * tiers.refused_forgotten:
        return False
    if forgotten >= DEAD_AT_LEAST and forgotten > dead_share * total:
        return True
    return forgotten >= max(HOLE_AT_LEAST, HOLE_SHARE * total) and tiers.dead_hits.has_holes


def compact(tiers: Tiers, stopped: Callable[[], bool]) -> bool:
    """Compact in one go; False when it was stopped or refused."""
    compaction = Compaction(tiers)
    while not compaction.over:
        if stopped():
            compaction.cancel()
        else:
            compaction.step(BULK_SLICE)
    return compaction.stage is Stage.SWAPPED


class Compaction:
    """One rebuilding of a graph, a slice at a time; searches, drains and changes go on beside it.

    Where the disk is full or fails it is refused. When it is over it holds no graph but the one that is searched.
    """

    def __init__(self, tiers: Tiers) -> None:
        self.stage = Stage.COPYING
        self.recall_before = self.recall_after = 1.0
        self._tiers = tiers
        with tiers.drain_lock:
            self._old = self._new = tiers.graph
            self._done = 0
            self._queries: list[Float32Array] = []
            self._hits = [0, 0, 0]
            try:
                self._new = tiers.new_graph(EF_CONSTRUCTION)
            except DiskFailed as error:
                self._refuse(reason=error.message)
                return
            self._new.make_room(0, tiers.lock, int(ROOM * (len(self._old) - self._old.forgotten)))
            with tiers.lock:
                tiers.building = self._new

    @property
    def over(self) -> bool:
        """Whether there is nothing left to do."""
        return self.stage in _OVER

    @property
    def progress(self) -> float:
        """The share of the old graph's positions that were looked at, 0 to 1."""
        return self._done / max(len(self._old), 1)

    def step(self, count: int) -> None:
        """Do the next piece: copy up to `count` vectors, or check one query."""
        with self._tiers.drain_lock:
            if self.over:
                return
            try:
                self._advance(count)
            except DiskFailed as error:
                self._refuse(reason=error.message)

    def cancel(self) -> None:
        """Give it up; the old graph stays."""
        with self._tiers.drain_lock:
            if not self.over:
                self._drop(Stage.CANCELLED)

    def _advance(self, count: int) -> None:
        if self.stage is Stage.CHECKING:
            self._check_one()
        elif self._done < len(self._old):
            self._copy(count)
        elif self.stage is Stage.COPYING:
            self._queries = self._sampled_queries()
            self.stage = Stage.CHECKING if self._queries else Stage.CATCHING_UP
        else:
            self._new.build_with(self._tiers.generation.ef_construction)
            self._tiers.swap(self._new)
            self._old, self.stage = self._new, Stage.SWAPPED

    def _refuse(self, **why: object) -> None:
        self._tiers.refused_forgotten = self._old.forgotten
        log.warning("compaction_refused", **why)
        self._drop(Stage.REFUSED)

    def _drop(self, stage: Stage) -> None:
        with self._tiers.lock:
            self._tiers.building = None
        self._new, self.stage = self._old, stage

    def _copy(self, count: int) -> None:
        tiers, at = self._tiers, self._done
        with tiers.lock:
            ordinals = self._old.places.ordinals[at : min(at + count, len(self._old))].copy()
        self._done += len(ordinals)
        kept = np.flatnonzero(ordinals)
        if not len(kept):
            return
        if self._new.wants_training:
            self._new.train(self._old.vectors(self._training_sample()))
        vectors = self._old.vectors(kept + at)
        self._new.make_room(len(kept), tiers.lock)
        self._new.prepare(vectors)
        first = self._new.add(ordinals[kept], vectors, tiers.lock)
        with tiers.lock:
            tiers.settle(self._new, ordinals[kept], first)

    def _sampled_queries(self) -> list[Float32Array]:
        """Queries of late, and where they were few, vectors of the graph."""
        queries = list(self._tiers.recent_queries)[-CHECKED_QUERIES:]
        missing = CHECKED_QUERIES - len(queries)
        return [*queries, *self._old.vectors(self._sample(missing))] if missing else queries

    def _sample(self, count: int) -> Int64Array:
        """Living positions of the old graph, spread evenly."""
        living = np.flatnonzero(self._old.places.ordinals[: len(self._old)])
        if not len(living):
            return living
        return np.unique(living[np.linspace(0, len(living) - 1, count).astype(np.int64)])

    def _training_sample(self) -> Int64Array:
        """Living positions of the old graph, and where they are few, forgotten ones: these tell as much of codes."""
        living = self._sample(TRAINING_VECTORS)
        forgotten = np.flatnonzero(self._old.places.ordinals[: len(self._old)] == 0)
        return np.concatenate([living, forgotten[: TRAINING_VECTORS - len(living)]])

    def _check_one(self) -> None:
        """Hold what both graphs find for one query against what there is; swap only for what is no worse.

        Both are walked equally far. Widening would let the old one find more among its dead, at a price per search that
        is the very reason to compact.
        """
        query = self._queries.pop()
        true = self._exact(query)
        for which, graph in enumerate((self._old, self._new)):
            self._hits[which] += len(true & _found(graph, query))
        self._hits[2] += len(true)
        if self._queries or not self._hits[2]:
            self.stage = Stage.CHECKING if self._queries else Stage.CATCHING_UP
            return
        self.recall_before, self.recall_after = (hits / self._hits[2] for hits in self._hits[:2])
        self.stage = Stage.CATCHING_UP
        if self.recall_after < self.recall_before - WORSE_WITHIN:
            self._refuse(recall_before=self.recall_before, recall_after=self.recall_after)

    def _exact(self, query: Float32Array) -> set[int]:
        """The ordinals of the best living vectors of the new graph; nobody else adds to it or waits for its lock."""
        graph = self._new
        living = np.flatnonzero(~graph.places.tombstones.mask(len(graph)))
        if not len(living):
            return set()
        best = graph.look_at_all(query, min(graph.worth_ranking(CHECKED_K), len(living)), living)
        return set(graph.ranked(best, query, CHECKED_K).best(CHECKED_K)) - {0}


def _found(graph: VectorGraph, query: Float32Array) -> set[int]:
    """The ordinals of the best living vectors that a walk of the usual width meets."""
    with graph.lock.read():
        met = graph.look(query, graph.ef_search, graph.ef_search).positions
        living = met[~graph.places.tombstones.dead_at(met)][: graph.worth_ranking(CHECKED_K)]
    return set(graph.ranked(living, query, CHECKED_K).best(CHECKED_K))
