"""The arrays of an HNSW index of FAISS: made, grown ahead of need, and copied into larger ones."""

import ctypes
import mmap
from functools import cache
from typing import Any

from index_shards.faiss_api import faiss
from schemas.cluster import Generation

_CODES = {"fp16": "QT_fp16", "sq8": "QT_8bit"}
_MADV_DONTNEED = 4


def new_index(generation: Generation) -> Any:
    """An empty index with the geometry and storage of a generation."""
    metric = faiss.METRIC_INNER_PRODUCT
    if generation.storage == "fp32":
        return faiss.IndexHNSWFlat(generation.dimension, generation.m, metric)
    codes = getattr(faiss.ScalarQuantizer, _CODES[generation.storage])
    return faiss.IndexHNSWSQ(generation.dimension, codes, generation.m, metric)


def reserve(index: Any, capacity: int) -> None:
    """Give every array room for this many vectors, so that adding does not move them; nobody may use it meanwhile.

    FAISS offers `resize` alone, which writes to every page. The pages of what is not used yet are given back to the
    system, so that room costs addresses and no memory.
    """
    hnsw, storage = index.hnsw, faiss.downcast_index(index.storage)
    links = hnsw.nb_neighbors(0)
    sizes = (
        (storage.codes, capacity * storage.code_size, 1),
        # Level 0 takes 2 M links; every M-th vertex reaches the next level, with M more: M / (M - 1) on average.
        (hnsw.neighbors, int(capacity * (links + 1.25)) + 64 * links, 4),
        (hnsw.levels, capacity, 4),
        (hnsw.offsets, capacity + 1, 8),
    )
    for array, size, item_bytes in sizes:
        held = array.size()
        if size > held:
            array.resize(size)
            array.resize(held)
            start = int(array.data())
            _give_back(start + held * item_bytes, start + size * item_bytes)


def enlarged(index: Any, capacity: int) -> Any:
    """A copy with room for this many vectors; searches of the original go on, nothing may be added to it."""
    copy = faiss.clone_index(index)
    copy.hnsw.efConstruction, copy.hnsw.efSearch = index.hnsw.efConstruction, index.hnsw.efSearch
    reserve(copy, capacity)
    return copy


def _give_back(start: int, end: int) -> None:
    """Tell the system that the whole pages between these addresses hold nothing."""
    first, last = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE, end // mmap.PAGESIZE * mmap.PAGESIZE
    advise = _madvise()
    if last > first and advise is not None:
        advise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), ctypes.c_int(_MADV_DONTNEED))


@cache
def _madvise() -> Any:
    return getattr(ctypes.CDLL(None), "madvise", None)
