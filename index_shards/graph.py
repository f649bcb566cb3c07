"""The second tier where memory is there: an HNSW graph of FAISS that is added to while it is searched."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from index_shards.candidates import FEW, Candidates, Float32Array, Int64Array, Met, met_of, nearly_best, ranked, scored
from index_shards.faiss_api import faiss
from index_shards.hnsw_storage import enlarged, new_index, reserve, size_bytes
from index_shards.locks import ReadWriteLock
from index_shards.places import Places
from index_shards.stored_rows import StoredRows
from index_shards.tombstones import selector_of
from schemas.cluster import Generation

FIRST_CAPACITY = 4096
GROWTH = 1.5
# Up to so many rows, and this share of the graph, are scored here instead of by a scan of FAISS with a bitmap.
GATHER_ROWS, GATHER_SHARE = 2000, 0.005


class Graph:
    """HNSW over unit vectors by inner product, vectors in memory; see `VectorGraph`."""

    def __init__(self, generation: Generation, index: Any = None, ef_construction: int | None = None) -> None:
        self.lock = ReadWriteLock()
        self.ef_search = generation.ef_search
        self._index = new_index(generation) if index is None else index
        self._index.hnsw.efSearch = generation.ef_search
        self.build_with(ef_construction or generation.ef_construction)
        self._capacity = max(FIRST_CAPACITY, int(len(self) * GROWTH))
        reserve(self._index, self._capacity)
        self._rows = StoredRows(self._index, self._capacity)
        self.places = Places(self._capacity)

    @classmethod
    def load(cls, generation: Generation, path: Path, ordinals: Int64Array) -> "Graph":
        """The graph of this file, with these ordinals (0 for none) at its positions; all are alive until marked.

        Raises:
            ValueError: the file holds another kind of index, or another number of vectors than there are ordinals.
            RuntimeError: FAISS cannot read the file.
        """
        index = faiss.read_index(str(path))
        if type(index) is not type(new_index(generation)) or index.d != generation.dimension:
            raise ValueError(f"{path} holds {type(index).__name__} of {index.d} dimensions")
        if index.ntotal != len(ordinals):
            raise ValueError(f"{path} holds {index.ntotal} vectors, not {len(ordinals)}")
        graph = cls(generation, index)
        graph.places.name(ordinals, 0)
        return graph

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def size_bytes(self) -> int:
        """Bytes of vectors and links."""
        return size_bytes(self._index)

    @property
    def forgotten(self) -> int:
        """How many positions belong to no picture any more."""
        return self.places.forgotten(len(self))

    # --- adding

    def build_with(self, ef_construction: int) -> None:
        """How many candidates an add considers from now on."""
        self._index.hnsw.efConstruction = ef_construction

    @property
    def wants_training(self) -> bool:
        """Whether `train` must come before the first `add`."""
        return not self._index.is_trained

    def train(self, vectors: Float32Array) -> None:
        """Learn code ranges from float32 vectors of shape (n, dimension), where the storage has any."""
        if not self._index.is_trained:
            self._index.train(vectors)

    def make_room(self, count: int, marks: AbstractContextManager[Any], capacity: int = 0) -> None:
        """Let so many more vectors (or `capacity` in all) be added without FAISS moving its arrays."""
        needed = max(len(self) + count, capacity)
        if needed <= self._capacity:
            return
        capacity = max(needed, int(self._capacity * GROWTH))
        index = enlarged(self._index, capacity)
        rows = StoredRows(index, capacity)
        with self.lock.write(), marks:
            self.places.grow(capacity)
            self._index, self._rows, self._capacity = index, rows, capacity

    def prepare(self, vectors: Float32Array) -> None:
        """Nothing: all of an add is done under the lock."""

    def add(self, ordinals: Int64Array, vectors: Float32Array, marks: AbstractContextManager[Any]) -> int:
        """Append float32 vectors of shape (n, dimension); the first one's position."""
        first = len(self)
        assert first + len(ordinals) <= self._capacity
        with marks:
            self.places.name(ordinals, first)
        self._index.add(vectors)
        return first

    # --- reading

    def vectors(self, positions: Int64Array) -> Float32Array:
        """The float32 vectors at these positions, shape (n, dimension)."""
        return self._rows.take(positions)

    def write(self, path: Path) -> Int64Array:
        """Write the index to a file beside running searches; the ordinals of its positions."""
        with self.lock.read():
            faiss.write_index(self._index, str(path))
            return self.places.ordinals[: len(self)].copy()

    # --- searching

    def look(self, query: Float32Array, count: int, ef: int, selector: Any = None) -> Met:
        """The `count` best that a walk with `ef` candidates finds, best first."""
        plain = selector is None and ef == self.ef_search
        scores, found = self._index.search(query[None], count, params=None if plain else _parameters(ef, selector))
        return met_of(found[0], scores[0])

    def look_at_all(self, query: Float32Array, count: int, positions: Int64Array) -> Int64Array:
        """The `count` best of these positions by looking at each; of few, also what ties with the last."""
        if len(positions) <= max(count, GATHER_ROWS, int(GATHER_SHARE * len(self))):
            return positions[nearly_best(self._rows.take(positions) @ query, count)]
        storage = faiss.downcast_index(self._index.storage)
        parameters = faiss.SearchParameters(sel=selector_of(positions, len(self)))
        _, found = storage.search(query[None], count, params=parameters)
        best: Int64Array = found[0]
        return best[best >= 0]

    def worth_ranking(self, depth: int) -> int:
        """No more than are wanted: a look goes by the vectors themselves."""
        return depth

    def ranked(self, positions: Int64Array, query: Float32Array, depth: int) -> Candidates:
        """The `depth` best of these positions, with what ties with the last."""
        if len(positions) <= min(depth, FEW):
            return scored(self.places.ordinals.take(positions), self._rows.take_few(positions), query)
        return ranked(self._rows.take, self.places.ordinals, query, depth, positions)


def _parameters(ef: int, selector: Any) -> Any:
    parameters = faiss.SearchParametersHNSW(efSearch=ef)
    if selector is not None:
        parameters.sel = selector
    return parameters
