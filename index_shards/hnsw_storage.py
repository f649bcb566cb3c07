"""The arrays of an HNSW index of FAISS: made, grown ahead of need, and copied into larger ones."""

import ctypes
import mmap
import sys
from functools import cache
from typing import Any

from index_shards.faiss_api import faiss
from schemas.cluster import Generation

_CODES = {"fp16": "QT_fp16", "sq8": "QT_8bit"}
_INT32_BYTES = 4
_MADV_DONTNEED = 4


def new_index(generation: Generation) -> Any:
    """An empty index with the geometry and storage of a generation whose vectors are kept in memory."""
    metric = faiss.METRIC_INNER_PRODUCT
    if generation.storage == "fp32":
        return faiss.IndexHNSWFlat(generation.dimension, generation.m, metric)
    codes = getattr(faiss.ScalarQuantizer, _CODES[generation.storage])
    return faiss.IndexHNSWSQ(generation.dimension, codes, generation.m, metric)


def size_bytes(index: Any) -> int:
    """Bytes of codes, links, levels and offsets."""
    return sum(array.size() * cell_bytes for array, cell_bytes in _arrays(index))


def reserve(index: Any, capacity: int) -> None:
    """Give every array room for this many vectors, so that adding does not move them; nobody may use it meanwhile.

    FAISS offers `resize` alone, which writes to every page. The pages of what is not used yet are given back to the
    system, so that room costs addresses and no memory.
    """
    links = index.hnsw.nb_neighbors(0)
    sizes = (
        capacity * faiss.downcast_index(index.storage).code_size,
        # Level 0 takes 2 M links; every M-th vertex reaches the next level, with M more: M / (M - 1) on average.
        int(capacity * (links + 1.25)) + 64 * links,
        capacity,
        capacity + 1,
    )
    for (array, cell_bytes), size in zip(_arrays(index), sizes, strict=True):
        held = array.size()
        if size > held:
            array.resize(size)
            array.resize(held)
            start = int(array.data())
            _give_back(start + held * cell_bytes, start + size * cell_bytes)


def enlarged(index: Any, capacity: int) -> Any:
    """A copy with room for this many vectors; searches of the original go on, nothing may be added to it."""
    copy = faiss.clone_index(index)
    copy.hnsw.efConstruction, copy.hnsw.efSearch = index.hnsw.efConstruction, index.hnsw.efSearch
    reserve(copy, capacity)
    return copy


def give_back_freed() -> None:
    """Let the system have what was freed: arrays under 32 MiB leave holes in the C library's heap."""
    trim = _c_function("malloc_trim")
    if trim is not None:
        trim(ctypes.c_size_t(0))


def _arrays(index: Any) -> tuple[tuple[Any, int], ...]:
    """Everything that grows with the vectors: the array and the bytes of its cells."""
    hnsw = index.hnsw
    return (
        (faiss.downcast_index(index.storage).codes, 1),
        (hnsw.neighbors, _INT32_BYTES),
        (hnsw.levels, _INT32_BYTES),
        (hnsw.offsets, ctypes.sizeof(ctypes.c_size_t)),
    )


def _give_back(start: int, end: int) -> None:
    """Tell the system that the whole pages between these addresses hold nothing."""
    first, last = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE, end // mmap.PAGESIZE * mmap.PAGESIZE
    advise = _c_function("madvise")
    if last > first and advise is not None:
        advise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), ctypes.c_int(_MADV_DONTNEED))


@cache
def _c_function(name: str) -> Any:
    """A function of the C library; None off Linux, where its arguments may mean something else."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
