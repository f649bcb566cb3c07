"""The second tier: an HNSW graph of FAISS that is added to while it is searched."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from index_shards.candidates import Candidates, Float32Array, Int64Array, final_scores
from index_shards.columns import Column
from index_shards.faiss_api import faiss
from index_shards.hnsw_storage import enlarged, new_index, reserve
from index_shards.locks import ReadWriteLock
from index_shards.picture_table import SLOT_MASK, slot_of
from index_shards.stored_rows import StoredRows
from index_shards.tombstones import Tombstones
from schemas.cluster import Generation

FIRST_CAPACITY = 4096
GROWTH = 1.5
# Vectors wanted to learn the ranges of 8-bit codes from.
TRAINING_VECTORS = 1000


class Graph:
    """HNSW over unit vectors by inner product.

    A vector's position stands for the ordinal of its picture in `ordinals`, 0 once that is forgotten; `positions` has
    by slot the position plus one. FAISS adds are not safe beside searches, so both go through `lock`: searches share
    it, an add has it alone. One thread at a time adds; what is marked and forgotten is guarded by the tiers' lock.
    """

    def __init__(self, generation: Generation, index: Any = None, ef_construction: int | None = None) -> None:
        self.lock = ReadWriteLock()
        self.ef_search = generation.ef_search
        self._index = new_index(generation) if index is None else index
        self._index.hnsw.efSearch = generation.ef_search
        self.build_with(ef_construction or generation.ef_construction)
        count = len(self)
        self._capacity = max(FIRST_CAPACITY, int(count * GROWTH))
        reserve(self._index, self._capacity)
        self._rows = StoredRows(self._index, self._capacity)
        self.ordinals: Int64Array = np.zeros(self._capacity, np.int64)
        self.positions = Column(np.int32)
        self.tombstones = Tombstones(self._capacity)

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
        graph._name(ordinals, 0)
        return graph

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def size_bytes(self) -> int:
        """Bytes of vectors and links."""
        storage = faiss.downcast_index(self._index.storage)
        return int(storage.codes.size()) + 4 * int(self._index.hnsw.neighbors.size()) + 12 * len(self)

    @property
    def forgotten(self) -> int:
        """How many positions belong to no picture any more."""
        return len(self) - int(np.count_nonzero(self.ordinals[: len(self)]))

    # --- adding

    def build_with(self, ef_construction: int) -> None:
        """How many candidates an add considers from now on."""
        self._index.hnsw.efConstruction = ef_construction

    def train(self, vectors: Float32Array) -> None:
        """Learn code ranges from float32 vectors of shape (n, dimension), where the storage has any."""
        if not self._index.is_trained:
            self._index.train(vectors)

    @property
    def wants_training(self) -> bool:
        """Whether `train` must come before the first `add`."""
        return not self._index.is_trained

    def make_room(self, count: int, marks: AbstractContextManager[Any], capacity: int = 0) -> None:
        """Let so many more vectors (or `capacity` in all) be added without FAISS moving its arrays.

        The larger arrays are filled beside the searches, which wait for the exchange alone; the thread that adds
        calls it. `marks` is the lock that guards marking.
        """
        needed = max(len(self) + count, capacity)
        if needed <= self._capacity:
            return
        capacity = max(needed, int(self._capacity * GROWTH))
        index = enlarged(self._index, capacity)
        rows = StoredRows(index, capacity)
        with self.lock.write(), marks:
            ordinals = np.zeros(capacity, np.int64)
            ordinals[: len(self.ordinals)] = self.ordinals
            self.tombstones.grow(capacity)
            self._index, self._rows, self.ordinals, self._capacity = index, rows, ordinals, capacity

    def add(self, ordinals: Int64Array, vectors: Float32Array, marks: AbstractContextManager[Any]) -> int:
        """Append float32 vectors of shape (n, dimension); the first one's position.

        There is room for them, and the caller holds the write lock or is the only user.
        """
        first = len(self)
        assert first + len(ordinals) <= self._capacity
        with marks:
            self._name(ordinals, first)
        self._index.add(vectors)
        return first

    def _name(self, ordinals: Int64Array, first: int) -> None:
        known = np.flatnonzero(ordinals)
        slots = ordinals[known] & SLOT_MASK
        self.positions.reach(int(slots.max(initial=-1)) + 1)
        self.ordinals[first : first + len(ordinals)] = ordinals
        self.positions.values[slots] = first + known + 1

    # --- marking

    def position(self, ordinal: int) -> int | None:
        """Where the picture is; None when it is not here."""
        slot, positions = slot_of(ordinal), self.positions.values
        position = int(positions[slot]) - 1 if slot < len(positions) else -1
        return position if position >= 0 and self.ordinals[position] == ordinal else None

    def hide(self, ordinal: int, hidden: bool) -> None:
        """Let searches pass the picture over, or find it again."""
        position = self.position(ordinal)
        if position is not None:
            self.tombstones.mark(position, hidden)

    def forget(self, ordinal: int) -> None:
        """The picture is nobody's any more."""
        position = self.position(ordinal)
        if position is not None:
            self.bury(position, ordinal)

    def bury(self, position: int, ordinal: int) -> None:
        """The vector at this position, added for this picture, is nobody's."""
        self.tombstones.mark(position, True)
        self.ordinals[position] = 0
        positions, slot = self.positions.values, slot_of(ordinal)
        if positions[slot] == position + 1:
            positions[slot] = 0

    # --- reading

    def vectors(self, positions: Int64Array) -> Float32Array:
        """The float32 vectors at these positions, shape (n, dimension)."""
        with self.lock.read():
            return self._rows.take(positions)

    def write(self, path: Path) -> Int64Array:
        """Write the index to a file beside running searches; the ordinals of its positions."""
        with self.lock.read():
            faiss.write_index(self._index, str(path))
            return self.ordinals[: len(self)].copy()

    # --- for searches that hold the lock for reading

    def look(self, query: Float32Array, count: int, ef: int, selector: Any = None) -> Int64Array:
        """The positions of the `count` best that a walk with `ef` candidates finds, best first."""
        plain = selector is None and ef == self.ef_search
        _, found = self._index.search(query[None], count, params=None if plain else _parameters(ef, selector))
        positions: Int64Array = found[0]
        return positions if positions[-1] >= 0 else positions[positions >= 0]

    def look_at_all(self, query: Float32Array, count: int, selector: Any) -> Int64Array:
        """The positions of the `count` best of those the selector lets through, best first, by looking at each."""
        storage = faiss.downcast_index(self._index.storage)
        _, found = storage.search(query[None], count, params=faiss.SearchParameters(sel=selector))
        positions: Int64Array = found[0]
        return positions[positions >= 0]

    def score(self, positions: Int64Array, query: Float32Array) -> Float32Array:
        """The float32 scores of these positions, shape (n,)."""
        scores: Float32Array = self._rows.take(positions) @ query
        return scores

    def named(self, positions: Int64Array, query: Float32Array) -> Candidates:
        """These positions as candidates."""
        return Candidates(self.ordinals[positions], final_scores(self._rows.take(positions), query), False)


def _parameters(ef: int, selector: Any) -> Any:
    parameters = faiss.SearchParametersHNSW(efSearch=ef)
    if selector is not None:
        parameters.sel = selector
    return parameters
