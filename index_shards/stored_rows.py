"""Vectors as a graph keeps them, read without FAISS: gathering and decoding a few rows is most of what a hit costs."""

from typing import Any

import numpy as np
import numpy.typing as npt

from index_shards.candidates import Float32Array, Int64Array, Rows
from index_shards.faiss_api import faiss
from index_shards.halves import widened


class StoredRows:
    """The rows of an index over its codes, in place; made anew whenever the codes may move.

    A row that was added neither changes nor moves while this lives, so rows may be taken beside adds. fp16 and fp32
    codes are read directly, others are decoded by FAISS.
    """

    def __init__(self, index: Any, capacity: int) -> None:
        # The index owns the codes; the storage is its own.
        self._index, self._storage = index, faiss.downcast_index(index.storage)
        self._kind = _kind_of(self._storage)
        raw = faiss.rev_swig_ptr(self._storage.codes.data(), capacity * self._storage.code_size)
        self._cells: npt.NDArray[Any] = raw.view(self._kind).reshape(capacity, -1)

    def take(self, positions: Int64Array) -> Float32Array:
        """Copies of the float32 vectors at these positions, shape (n, dimension)."""
        cells: npt.NDArray[Any] = self._cells.take(positions, axis=0)
        if self._kind is np.float16:
            return widened(cells.view(np.uint16))
        if self._kind is np.uint8:
            decoded: Float32Array = self._storage.sa_decode(cells)
            return decoded
        return cells

    def take_few(self, positions: Int64Array) -> Rows:
        """The same in the precision they are kept in, where that is quicker: for few, whose table is not in a cache."""
        if self._kind is np.uint8:
            return self.take(positions)
        cells: Rows = self._cells.take(positions, axis=0)
        return cells


def _kind_of(storage: Any) -> type[np.generic]:
    """What the codes are numbers of: float32, fp16, or bytes that only FAISS understands."""
    if isinstance(storage, faiss.IndexFlat):
        return np.float32
    if isinstance(storage, faiss.IndexScalarQuantizer) and storage.sq.qtype == faiss.ScalarQuantizer.QT_fp16:
        return np.float16
    return np.uint8
