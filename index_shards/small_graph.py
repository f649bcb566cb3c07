"""The second tier where memory is short: 4-bit codes and links in memory, the originals on disk.

The codes propose, the originals decide: a search walks the graph by its codes, takes a few times as many as it was
asked for, and ranks those by the fp16 originals, so that scores are the same as those of any other storage. At 512
dimensions a vector takes 384 bytes of codes and links, 8 of its ordinal and 4 of its position.
"""

import math
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from index_shards.candidates import Candidates, Float32Array, Int64Array, Met, ranked
from index_shards.four_bit_index import FourBitIndex
from index_shards.hnsw_storage import give_back_freed
from index_shards.locks import ReadWriteLock
from index_shards.original_store import OriginalStore
from index_shards.places import Places
from index_shards.tombstones import selector_of
from schemas.cluster import Generation

# Few links and coarse distances: as good as the full graph with more candidates, each of which costs less.
EF_CONSTRUCTION_TIMES, EF_SEARCH_TIMES = 2, 1.75
# How many candidates are ranked by what is on disk: this many times as many as wanted, and some more.
RANKED_TIMES, RANKED_MORE = 2, 30
FIRST_CAPACITY = 4096
GROWTH = 1.25
# How many originals are held against their codes when a graph is read.
CHECKED_ROWS = 64
ORIGINALS_SUFFIX = ".originals"


class SmallGraph:
    """HNSW over 4-bit codes by inner product, ranked by originals on disk; see `VectorGraph`."""

    def __init__(
        self,
        generation: Generation,
        folder: Path,
        parts: tuple[FourBitIndex, OriginalStore] | None = None,
        ef_construction: int | None = None,
    ) -> None:
        """`folder` is on a disk with room for 2 bytes x dimension a vector; nothing in it outlasts the graph.

        Raises:
            DiskFailed: the disk is full or fails.
        """
        self.lock = ReadWriteLock()
        self.ef_search = math.ceil(EF_SEARCH_TIMES * generation.ef_search)
        self._index, self._originals = (
            (FourBitIndex(generation), OriginalStore(folder, generation.dimension)) if parts is None else parts
        )
        self.build_with(ef_construction or generation.ef_construction)
        self._capacity = max(FIRST_CAPACITY, int(len(self) * GROWTH))
        self._index.reserve(self._capacity)
        self.places = Places(self._capacity)

    @classmethod
    def load(cls, generation: Generation, path: Path, ordinals: Int64Array, folder: Path) -> "SmallGraph":
        """The graph of this file and the originals beside it, with these ordinals (0 for none) at its positions.

        All are alive until marked.

        Raises:
            ValueError: the file holds another kind of index, or another number of vectors than there are ordinals, or
                the originals are torn, missing or those of another graph.
            RuntimeError: FAISS cannot read the file.
            DiskFailed: the disk is full or fails.
        """
        index = FourBitIndex.read(generation, path)
        beside = originals_path(path)
        if not beside.is_file():
            raise ValueError(f"{beside} is missing")
        originals = OriginalStore.restore(folder, generation.dimension, beside)
        if not len(index) == len(originals) == len(ordinals):
            raise ValueError(f"{path}: {len(index)} codes, {len(originals)} originals, {len(ordinals)} ordinals")
        checked = np.unique(np.linspace(0, len(index) - 1, min(CHECKED_ROWS, len(index))).astype(np.int64))
        if len(checked) and not index.agrees(checked, originals.take(checked)):
            raise ValueError(f"{beside} holds other vectors than {path}")
        graph = cls(generation, folder, (index, originals))
        graph.places.name(ordinals, 0)
        return graph

    def __len__(self) -> int:
        return len(self._index)

    @property
    def size_bytes(self) -> int:
        """Bytes in memory: codes, links, ordinals, positions, tombstones and the rotation."""
        return self._index.size_bytes + self._index.fixed_bytes + self.places.size_bytes(len(self))

    @property
    def disk_bytes(self) -> int:
        """Bytes of the originals on disk."""
        return self._originals.disk_bytes

    @property
    def forgotten(self) -> int:
        """How many positions belong to no picture any more."""
        return self.places.forgotten(len(self))

    # --- adding

    def build_with(self, ef_construction: int) -> None:
        """How many candidates an add considers from now on, as of a full graph."""
        self._index.build_with(EF_CONSTRUCTION_TIMES * ef_construction)

    @property
    def wants_training(self) -> bool:
        """Whether `train` must come before the first `add`."""
        return not self._index.is_trained

    def train(self, vectors: Float32Array) -> None:
        """Fit the codes to float32 vectors of shape (n, dimension); once, before the first is added."""
        if not self._index.is_trained and len(vectors):
            self._index.train(vectors)

    def make_room(self, count: int, marks: AbstractContextManager[Any], capacity: int = 0) -> None:
        """Let so many more vectors (or `capacity` in all) be added without FAISS moving its arrays."""
        needed = max(len(self) + count, capacity)
        if needed <= self._capacity:
            return
        capacity = max(needed, int(self._capacity * GROWTH))
        index = self._index.enlarged(capacity)
        with self.lock.write(), marks:
            self.places.grow(capacity)
            self._index, self._capacity = index, capacity
        give_back_freed()

    def prepare(self, vectors: Float32Array) -> None:
        """Write the originals of the next `add`.

        Raises:
            DiskFailed: the disk is full or fails; nothing has changed.
        """
        self._originals.stage(vectors)

    def add(self, ordinals: Int64Array, vectors: Float32Array, marks: AbstractContextManager[Any]) -> int:
        """Append float32 vectors of shape (n, dimension) that were prepared; the first one's position."""
        first = len(self)
        assert first + len(ordinals) <= self._capacity
        with marks:
            self.places.name(ordinals, first)
        self._originals.keep(len(vectors))
        self._index.add(vectors)
        return first

    # --- reading

    def vectors(self, positions: Int64Array) -> Float32Array:
        """The float32 vectors at these positions, shape (n, dimension): the fp16 originals.

        Raises:
            DiskFailed: the disk fails.
        """
        return self._originals.take(positions)

    def write(self, path: Path) -> Int64Array:
        """Write the index to a file and the originals to one beside it; the ordinals of its positions.

        Searches go on; the caller sees to it that nothing is added.
        """
        with self.lock.read():
            self._index.write(path)
            ordinals = self.places.ordinals[: len(self)].copy()
        self._originals.copy(originals_path(path))
        return ordinals

    # --- searching

    def look(self, query: Float32Array, count: int, ef: int, selector: Any = None) -> Met:
        """The `count` best, by their codes, that a walk with `ef` candidates finds, best first."""
        return self._index.walk(query, count, ef, selector)

    def look_at_all(self, query: Float32Array, count: int, positions: Int64Array) -> Int64Array:
        """The `count` best of these positions, by their codes, best first."""
        if len(positions) <= count:
            return positions
        return self._index.scan(query, count, selector_of(positions, len(self))).positions

    def worth_ranking(self, depth: int) -> int:
        """How many of the best by their codes have the `depth` best among them, as good as always."""
        return RANKED_TIMES * depth + RANKED_MORE

    def ranked(self, positions: Int64Array, query: Float32Array, depth: int) -> Candidates:
        """The `depth` best of these positions by their originals, with what ties with the last.

        Raises:
            DiskFailed: the disk fails.
        """
        # In the order in which they lie on disk.
        return ranked(self._originals.take, self.places.ordinals, query, depth, np.sort(positions))


def originals_path(path: Path) -> Path:
    """Where the originals of a graph lie that was written to `path`."""
    return path.with_name(path.name + ORIGINALS_SUFFIX)
