"""Vectors as a graph keeps them, read without FAISS: gathering and decoding a few rows is most of what a hit costs."""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from index_shards.candidates import Float32Array, Int64Array
from index_shards.faiss_api import faiss


class StoredRows:
    """The rows of an index over its codes, in place; valid until the codes move, so made anew whenever they may.

    fp16 and fp32 codes are read directly, others are decoded by FAISS.
    """

    def __init__(self, index: Any, capacity: int) -> None:
        self._index = index
        storage = faiss.downcast_index(index.storage)
        bits = {np.dtype(np.float32): np.float32, np.dtype(np.float16): np.uint16}.get(_kind_of(storage))
        self._cells: npt.NDArray[Any] | None = None
        if bits is not None and capacity:
            raw = faiss.rev_swig_ptr(storage.codes.data(), capacity * storage.code_size)
            self._cells = raw.view(bits).reshape(capacity, index.d)

    def take(self, positions: Int64Array) -> Float32Array:
        """Copies of the float32 vectors at these positions, shape (n, dimension)."""
        if self._cells is None:
            decoded: Float32Array = self._index.reconstruct_batch(positions)
            return decoded
        cells = self._cells.take(positions, axis=0)
        return cells if cells.dtype == np.float32 else _halves().take(cells)


@cache
def _halves() -> Float32Array:
    """Every fp16 number as float32: looking them up is several times quicker than numpy's conversion."""
    return np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)


def _kind_of(storage: Any) -> np.dtype[Any] | None:
    """The number type of the codes; None for codes that are not plain numbers."""
    if isinstance(storage, faiss.IndexFlat):
        return np.dtype(np.float32)
    if isinstance(storage, faiss.IndexScalarQuantizer) and storage.sq.qtype == faiss.ScalarQuantizer.QT_fp16:
        return np.dtype(np.float16)
    return None
