"""The raw baseline: FAISS's IndexHNSWSQ in fp16 with the geometry of the shard, and nothing around it.

Dead vectors are kept out by FAISS's own means, a selector over a bitmap, at the ef that was asked for.
"""

from pathlib import Path
from typing import Any

import numpy as np

from index_shards.faiss_api import faiss
from ops.bench.vectors import Float32Array, Int64Array
from schemas.cluster import Generation


class RawGraph:
    """The vectors of numbered items; `capacity` is the most that can ever be added."""

    def __init__(self, generation: Generation, capacity: int) -> None:
        faiss.omp_set_num_threads(1)
        self._index = new_raw_index(generation)
        self._numbers = np.full(capacity, -1, np.int64)
        self._positions: dict[int, int] = {}
        self._living_bits = np.full((capacity + 7) // 8, 0xFF, np.uint8)
        self._living: Any = None

    def add(self, numbers: Int64Array, rows: Float32Array) -> None:
        """Add float32 unit vectors of shape (n, dimension)."""
        first = int(self._index.ntotal)
        self._numbers[first : first + len(numbers)] = numbers
        self._positions.update(zip(numbers.tolist(), range(first, first + len(numbers)), strict=True))
        self._index.add(rows)

    def delete(self, number: int) -> None:
        """Bury a vector."""
        position = self._positions[number]
        self._living_bits[position >> 3] &= 0xFF ^ (1 << (position & 7))
        if self._living is None:
            # The selector keeps the array and sees what is buried later.
            self._living = faiss.IDSelectorBitmap(self._living_bits)

    def search(self, vector: Float32Array, k: int) -> list[int]:
        """The numbers of the best vectors, best first."""
        if self._living is None:
            _, found = self._index.search(vector[None], k)
        else:
            ef = self._index.hnsw.efSearch
            parameters = faiss.SearchParametersHNSW(efSearch=ef, sel=self._living)
            _, found = self._index.search(vector[None], k, params=parameters)
        positions = found[0]
        numbers: list[int] = self._numbers[positions[positions >= 0]].tolist()
        return numbers

    def search_all(self, queries: Float32Array, k: int) -> list[list[int]]:
        """The answers to queries of shape (n, dimension)."""
        return [self.search(query, k) for query in queries]

    def write(self, path: Path) -> None:
        """Write the index to a file."""
        faiss.write_index(self._index, str(path))


def new_raw_index(generation: Generation) -> Any:
    """An empty IndexHNSWSQ over inner product."""
    codes, metric = faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    index = faiss.IndexHNSWSQ(generation.dimension, codes, generation.m, metric)
    index.hnsw.efConstruction = generation.ef_construction
    index.hnsw.efSearch = generation.ef_search
    return index


def fresh_answers(generation: Generation, rows: Float32Array, queries: Float32Array, k: int, cores: int) -> Int64Array:
    """What a graph built just now of these rows answers: row numbers of shape (queries, k); nothing is timed here."""
    faiss.omp_set_num_threads(cores)
    try:
        index = new_raw_index(generation)
        index.add(rows)
        _, found = index.search(queries, k)
    finally:
        faiss.omp_set_num_threads(1)
    answers: Int64Array = found
    return answers
