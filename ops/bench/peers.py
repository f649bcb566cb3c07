"""Other libraries with an HNSW graph, measured beside ours where they are installed; nothing else needs them."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np

from ops.bench.vectors import Float32Array, Int64Array
from ops.console import err
from schemas.cluster import Generation


class Peer(Protocol):
    """A graph of numbered vectors, used by one thread at a time."""

    def add(self, numbers: Int64Array, rows: Float32Array) -> None:
        """Add float32 unit vectors of shape (n, dimension)."""

    def delete(self, number: int) -> None:
        """Keep a vector out of every later answer."""

    def search(self, vector: Float32Array, k: int) -> list[int]:
        """The numbers of the best vectors, best first."""


class Hnswlib:
    """hnswlib: float32, inner product, one thread."""

    def __init__(self, module: Any, generation: Generation, capacity: int) -> None:
        self._index = module.Index(space="ip", dim=generation.dimension)
        self._index.init_index(max_elements=capacity, M=generation.m, ef_construction=generation.ef_construction)
        self._index.set_ef(generation.ef_search)
        self._index.set_num_threads(1)

    def add(self, numbers: Int64Array, rows: Float32Array) -> None:
        self._index.add_items(rows, numbers)

    def delete(self, number: int) -> None:
        self._index.mark_deleted(number)

    def search(self, vector: Float32Array, k: int) -> list[int]:
        labels, _ = self._index.knn_query(vector, k=k)
        found: list[int] = labels[0].tolist()
        return found


class Usearch:
    """usearch: half precision, inner product, one thread."""

    def __init__(self, module: Any, generation: Generation, capacity: int) -> None:
        self._index = module.index.Index(
            ndim=generation.dimension,
            metric="ip",
            dtype="f16",
            connectivity=generation.m,
            expansion_add=generation.ef_construction,
            expansion_search=generation.ef_search,
        )

    def add(self, numbers: Int64Array, rows: Float32Array) -> None:
        self._index.add(numbers, rows, threads=1)

    def delete(self, number: int) -> None:
        self._index.remove(number)

    def search(self, vector: Float32Array, k: int) -> list[int]:
        found: list[int] = np.asarray(self._index.search(vector, k, threads=1).keys, np.int64).tolist()
        return found


_PEERS: dict[str, tuple[Callable[[Any, Generation, int], Peer], str]] = {
    "hnswlib": (Hnswlib, "hnswlib"),
    "usearch": (Usearch, "usearch.index"),
}
PEER_NAMES = tuple(_PEERS)
_told: set[str] = set()


def open_peer(name: str, generation: Generation, capacity: int) -> Peer | None:
    """An empty graph of this library with the geometry of ours; None, and a line on how to get it, where it is not."""
    make, module = _PEERS[name]
    if find_spec(name) is None:
        if name not in _told:
            _told.add(name)
            err.print(f"{name} is not installed, so it has no row: `make bench` installs it", highlight=False)
        return None
    loaded = import_module(module)
    return make(import_module(name) if module != name else loaded, generation, capacity)
