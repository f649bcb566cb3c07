"""HNSW over 4-bit codes: what of a vector is kept in memory where memory is short.

Vectors are turned by a random rotation first, so that every coordinate carries about as much as any other: outlier
dimensions, which spoil the ranges of scalar codes, are gone. The ranges are those of a normal distribution with the
sample's mean in each coordinate and one spread for all; a prior of a few vectors around zero keeps them useful when
the sample is small. Of codes of about this size (product, RaBitQ, TurboQuant, PCA with 6 or 8 bits) these were the
best at equal search time that need no more than a sample's mean.
"""

from pathlib import Path
from typing import Any

import numpy as np

from index_shards.candidates import Float32Array, Int64Array, Met, met_of
from index_shards.faiss_api import faiss
from index_shards.hnsw_storage import reserve, size_bytes
from schemas.cluster import Generation

# 2 x 14 links at the ground level: with codes of 256 bytes (512 dimensions) 384 bytes a vector.
MOST_LINKS = 14
ROTATION_SEED = 20_11_17
# Half the width of a range, in standard deviations: wider wastes steps, narrower cuts off.
SPREADS = 2.75
# How many vectors around zero, of the spread that any unit vectors have, the sample is weighed against.
PRIOR_VECTORS = 8
# Codes made anew may differ in a number at the border of two steps; those of other vectors differ in most.
AGREEING_SHARE = 0.9


class FourBitIndex:
    """Positions of unit vectors by inner product, approximately; not safe to add to beside a search."""

    def __init__(self, generation: Generation, whole: Any = None) -> None:
        dimension = generation.dimension
        self._generation = generation
        # It owns both parts, which are used one by one: applied in numpy, a rotation takes less time.
        self._whole = _new_whole(generation) if whole is None else whole
        self._index = faiss.downcast_index(self._whole.index)
        self._storage = faiss.downcast_index(self._index.storage)
        matrix = faiss.rev_swig_ptr(_rotation_of(self._whole).A.data(), dimension * dimension)
        self._turn: Float32Array = matrix.reshape(dimension, dimension).T

    @classmethod
    def read(cls, generation: Generation, path: Path) -> "FourBitIndex":
        """The index of a file that `write` wrote.

        Raises:
            ValueError: the file holds another kind of index.
            RuntimeError: FAISS cannot read it.
        """
        whole = faiss.read_index(str(path))
        if isinstance(whole, faiss.IndexPreTransform) and whole.chain.size() == 1:
            rotation, index = _rotation_of(whole), faiss.downcast_index(whole.index)
            shape = (rotation.d_in, rotation.d_out, index.d)
            if isinstance(index, faiss.IndexHNSWSQ) and shape == (generation.dimension,) * 3:
                return cls(generation, whole)
        raise ValueError(f"{path} holds {type(whole).__name__} of {whole.d} dimensions")

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def is_trained(self) -> bool:
        """Whether the ranges are known."""
        return bool(self._index.is_trained)

    @property
    def fixed_bytes(self) -> int:
        """Bytes in memory however many vectors there are: the rotation."""
        return int(self._turn.nbytes)

    @property
    def size_bytes(self) -> int:
        """Bytes in memory of codes, links, levels and offsets."""
        return size_bytes(self._index)

    def build_with(self, ef_construction: int) -> None:
        """How many candidates an add considers from now on."""
        self._index.hnsw.efConstruction = ef_construction

    def train(self, vectors: Float32Array) -> None:
        """Fit the ranges to a sample of shape (n, dimension), n at least 1."""
        turned = self._turned(vectors)
        count, dimension = turned.shape
        weight = count + PRIOR_VECTORS
        mean = turned.sum(0, np.float64) / weight
        variance = (np.square(turned - mean).sum() + PRIOR_VECTORS) / (weight * dimension)
        width = SPREADS * np.sqrt(variance)
        ranges = np.concatenate([mean - width, np.full(dimension, 2 * width)]).astype(np.float32)
        faiss.copy_array_to_vector(ranges, self._storage.sq.trained)
        self._storage.is_trained = self._index.is_trained = True

    def reserve(self, capacity: int) -> None:
        """Grow every array to hold so many vectors without moving; the room takes no memory until it is used."""
        reserve(self._index, capacity)

    def enlarged(self, capacity: int) -> "FourBitIndex":
        """A copy that holds so many vectors without moving; this one may be searched meanwhile, but not added to."""
        copy = FourBitIndex(self._generation, faiss.clone_index(self._whole))
        copy.build_with(self._index.hnsw.efConstruction)
        copy.reserve(capacity)
        return copy

    def add(self, vectors: Float32Array) -> None:
        """Append vectors of shape (n, dimension)."""
        self._index.add(self._turned(vectors))

    def walk(self, query: Float32Array, count: int, ef: int, selector: Any = None) -> Met:
        """About the `count` best for a query of shape (dimension,), best first, along the links."""
        parameters = faiss.SearchParametersHNSW(efSearch=ef)
        if selector is not None:
            parameters.sel = selector
        return self._searched(self._index, query, count, parameters)

    def scan(self, query: Float32Array, count: int, selector: Any) -> Met:
        """The `count` best codes that the selector passes, best first."""
        return self._searched(self._storage, query, count, faiss.SearchParameters(sel=selector))

    def agrees(self, positions: Int64Array, vectors: Float32Array) -> bool:
        """Whether the codes at these positions are those of vectors of shape (n, dimension)."""
        cells = faiss.rev_swig_ptr(self._storage.codes.data(), len(self) * self._storage.code_size)
        held = cells.reshape(len(self), -1)[positions]
        return bool(np.mean(held == self._storage.sa_encode(self._turned(vectors))) >= AGREEING_SHARE)

    def write(self, path: Path) -> None:
        """Write it to a file that needs nothing else to be read again."""
        self._whole.ntotal = self._index.ntotal
        faiss.write_index(self._whole, str(path))

    def _searched(self, index: Any, query: Float32Array, count: int, parameters: Any) -> Met:
        scores, found = index.search(self._turned(query[None]), count, params=parameters)
        return met_of(found[0], scores[0])

    def _turned(self, vectors: Float32Array) -> Float32Array:
        turned: Float32Array = np.ascontiguousarray(vectors, np.float32) @ self._turn
        return turned


def _new_whole(generation: Generation) -> Any:
    rotation = faiss.RandomRotationMatrix(generation.dimension, generation.dimension)
    rotation.init(ROTATION_SEED)
    codes, links = faiss.ScalarQuantizer.QT_4bit, min(generation.m, MOST_LINKS)
    index = faiss.IndexHNSWSQ(generation.dimension, codes, links, faiss.METRIC_INNER_PRODUCT)
    return faiss.IndexPreTransform(rotation, index)


def _rotation_of(whole: Any) -> Any:
    return faiss.downcast_VectorTransform(whole.chain.at(0))
