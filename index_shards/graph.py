"""The second tier: an HNSW graph of FAISS that is added to while it is searched."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from index_shards.candidates import NOTHING, Candidates, Float32Array, Int64Array, final_scores, nearly_best
from index_shards.faiss_api import faiss
from index_shards.locks import ReadWriteLock
from index_shards.tombstones import Tombstones, selector_of
from schemas.cluster import Generation

# Below so many vectors a scan is as quick as the graph, and exact.
SMALL = 2000
# A filter that passes less than SCAN_BELOW / sqrt(n) of n vectors is answered by scanning what it passes.
SCAN_BELOW = 20.0
# Above it the graph is searched with at least EF_PER_SELECTIVITY / share candidates.
EF_PER_SELECTIVITY = 26.0
# A walk must bring this share of its candidates back alive, and may visit at most this share of the graph.
LIVING_SHARE, WALK_MOST = 0.75, 0.25
FIRST_CAPACITY = 4096
GROWTH = 1.5
SCAN_ROWS = 8192
# Vectors wanted to learn the ranges of 8-bit codes from.
TRAINING_VECTORS = 1000
_CODES = {"fp16": faiss.ScalarQuantizer.QT_fp16, "sq8": faiss.ScalarQuantizer.QT_8bit}


class Graph:
    """HNSW over unit vectors by inner product; a vector's position in it stands for the ordinal in `ordinals`.

    FAISS adds are not safe beside searches, so both go through `lock`: searches share it, an add has it alone.
    `ordinals` and `tombstones` belong to positions and are written by the one thread that adds.
    """

    def __init__(self, generation: Generation, index: Any = None) -> None:
        self.lock = ReadWriteLock()
        self._ef_search = generation.ef_search
        self._index = _new_index(generation) if index is None else index
        self._index.hnsw.efConstruction = generation.ef_construction
        self._storage = faiss.downcast_index(self._index.storage)
        self._capacity = 0
        self.ordinals: Int64Array = np.zeros(0, np.int64)
        self.tombstones = Tombstones(0)
        self.reserve(max(FIRST_CAPACITY, int(len(self) * GROWTH)))

    @classmethod
    def load(cls, generation: Generation, path: Path, ordinals: Int64Array) -> "Graph":
        """The graph of this file; every position is alive until it is marked.

        Raises:
            ValueError: the file holds another kind of index, or another number of vectors than there are ordinals.
            RuntimeError: FAISS cannot read the file.
        """
        index = faiss.read_index(str(path))
        if type(index) is not type(_new_index(generation)) or index.d != generation.dimension:
            raise ValueError(f"{path} holds {type(index).__name__} of {index.d} dimensions")
        if index.ntotal != len(ordinals):
            raise ValueError(f"{path} holds {index.ntotal} vectors, not {len(ordinals)}")
        graph = cls(generation, index)
        graph.ordinals[: len(ordinals)] = ordinals
        return graph

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def size_bytes(self) -> int:
        """Bytes of vectors and links."""
        return int(self._storage.codes.size()) + 4 * int(self._index.hnsw.neighbors.size()) + 12 * len(self)

    def train(self, vectors: Float32Array) -> None:
        """Learn code ranges from float32 vectors of shape (n, dimension), where the storage has any."""
        if not self._index.is_trained:
            self._index.train(vectors)

    @property
    def wants_training(self) -> bool:
        """Whether `train` must come before the first `add`."""
        return not self._index.is_trained

    def needs_room(self, count: int) -> bool:
        """Whether so many more vectors would make FAISS move its arrays."""
        return len(self) + count > self._capacity

    def reserve(self, capacity: int) -> None:
        """Grow every array ahead, so that no add has to; the caller holds the write lock or is alone."""
        if capacity <= self._capacity:
            return
        hnsw = self._index.hnsw
        links = hnsw.nb_neighbors(0)
        sizes = (
            (self._storage.codes, capacity * self._storage.code_size),
            # Level 0 takes 2 M links; every M-th vertex reaches the next level, with M more: M / (M - 1) on average.
            (hnsw.neighbors, int(capacity * (links + 1.25)) + 64 * links),
            (hnsw.levels, capacity),
            (hnsw.offsets, capacity + 1),
        )
        for array, size in sizes:
            held = array.size()
            if size > held:
                array.resize(size)
                array.resize(held)
        ordinals = np.full(capacity, -1, np.int64)
        ordinals[: len(self.ordinals)] = self.ordinals
        self.ordinals = ordinals
        self.tombstones.grow(capacity)
        self._capacity = capacity

    def add(self, ordinals: Int64Array, vectors: Float32Array) -> int:
        """Append float32 vectors of shape (n, dimension); the first one's position. The caller holds the write lock."""
        first = len(self)
        if self.needs_room(len(ordinals)):
            self.reserve(max(first + len(ordinals), int(self._capacity * GROWTH)))
        self.ordinals[first : first + len(ordinals)] = ordinals
        self._index.add(vectors)
        return first

    def vectors(self, positions: Int64Array) -> Float32Array:
        """The float32 vectors at these positions, shape (n, dimension)."""
        with self.lock.read():
            return self._decoded(positions)

    def write(self, path: Path) -> Int64Array:
        """Write the index to a file beside running searches; the ordinals of its positions."""
        with self.lock.read():
            faiss.write_index(self._index, str(path))
            return self.ordinals[: len(self)].copy()

    def search(self, query: Float32Array, depth: int, allowed: Int64Array | None, exact: bool) -> Candidates:
        """The `depth` best living vectors for a query of shape (dimension,), of the allowed ordinals alone if given.

        Exact where asked, where few vectors are eligible, and where the graph finds fewer than there are.
        """
        with self.lock.read():
            count = len(self)
            if not count:
                return NOTHING
            dead = self.tombstones.count
            positions = None if allowed is None else self._positions_of(allowed, count)
            eligible = count - dead if positions is None else len(positions)
            if not eligible:
                return NOTHING
            share = eligible / count
            few = eligible <= max(depth, SMALL) or (positions is not None and share < SCAN_BELOW / math.sqrt(count))
            if not (exact or few):
                found = self._walk(query, depth) if positions is None else self._walk_within(query, depth, positions)
                if len(found.ordinals) >= depth:
                    return found
            alive = np.flatnonzero(~self.tombstones.mask(count)) if positions is None else positions
            return self._scan(query, depth, alive)

    def _positions_of(self, allowed: Int64Array, count: int) -> Int64Array:
        mask = np.isin(self.ordinals[:count], allowed) & ~self.tombstones.mask(count)
        return np.flatnonzero(mask)

    def _walk(self, query: Float32Array, depth: int) -> Candidates:
        """The best living vectors; the dead are walked over and counted.

        Where the dead crowd around a query they fill the candidates, so the walk is widened until enough living ones
        are among them. Nothing is found when that takes too much of the graph.
        """
        ef = max(self._ef_search, 2 * depth)
        if not self.tombstones.count:
            return self._named(self._look(query, depth, ef), query)
        enough = max(depth, LIVING_SHARE * ef)
        while True:
            found = self._look(query, ef, ef)
            living = found[~self.tombstones.dead_at(found)]
            if len(living) >= enough:
                return self._named(living[:depth], query)
            ef *= 2
            if ef > WALK_MOST * len(self):
                return NOTHING

    def _walk_within(self, query: Float32Array, depth: int, positions: Int64Array) -> Candidates:
        """The best of these positions alone."""
        ef = max(self._ef_search, 2 * depth, math.ceil(EF_PER_SELECTIVITY * len(self) / len(positions)))
        return self._named(self._look(query, depth, ef, selector_of(positions, len(self))), query)

    def _look(self, query: Float32Array, count: int, ef: int, selector: Any = None) -> Int64Array:
        parameters = faiss.SearchParametersHNSW(efSearch=ef)
        if selector is not None:
            parameters.sel = selector
        _, found = self._index.search(query[None], count, params=parameters)
        positions: Int64Array = found[0]
        return positions[positions >= 0]

    def _named(self, positions: Int64Array, query: Float32Array) -> Candidates:
        return Candidates(self.ordinals[positions], final_scores(self._decoded(positions), query), False)

    def _scan(self, query: Float32Array, depth: int, positions: Int64Array) -> Candidates:
        scores: Float32Array = np.empty(len(positions), np.float32)
        for at in range(0, len(positions), SCAN_ROWS):
            rows = positions[at : at + SCAN_ROWS]
            scores[at : at + len(rows)] = self._decoded(rows) @ query
        found = self._named(positions[nearly_best(scores, depth)], query)
        return found._replace(complete=len(found.ordinals) == len(positions))

    def _decoded(self, positions: Int64Array) -> Float32Array:
        found: Float32Array = self._index.reconstruct_batch(positions)
        return found


def _new_index(generation: Generation) -> Any:
    metric = faiss.METRIC_INNER_PRODUCT
    if generation.storage == "fp32":
        return faiss.IndexHNSWFlat(generation.dimension, generation.m, metric)
    return faiss.IndexHNSWSQ(generation.dimension, _CODES[generation.storage], generation.m, metric)
