"""Exact rankings: for each query all of the gallery, most similar first."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]

BLOCK_BYTES = 64 * 1024 * 1024
"""Memory of one block's scores; sorting them takes about four times as much."""


class RankedBlock(NamedTuple):
    """Some queries' rankings.

    `rows` says which queries, counted in the queries; `order` (rows, gallery) int64 holds positions in the gallery,
    best first; `scores` (rows, gallery) float32 are in the gallery's order, -inf for what a query must not find.
    """

    rows: IntArray
    order: IntArray
    scores: Float32Array


def ranked_blocks(
    vectors: Float32Array, pictures: IntArray, queries: IntArray, gallery: IntArray, block_bytes: int = BLOCK_BYTES
) -> Iterator[RankedBlock]:
    """Every query's ranking of the whole gallery by inner product, in blocks of bounded memory.

    `vectors` (n, dimension) float32 are unit vectors; `queries` and `gallery` (q,) and (g,) are rows of it. `pictures`
    (n,) int64 numbers what is the same picture: a query never finds its own picture, whatever item shows it, as every
    model does, and it says nothing. What may not be found comes last. Ties stand in the gallery's order, as they stand
    in the order of their ids in an answer of the router.
    """
    side = max(1, block_bytes // (4 * max(len(gallery), 1)))
    shown = np.ascontiguousarray(vectors[gallery].T)
    for start in range(0, len(queries), side):
        rows = np.arange(start, min(start + side, len(queries)))
        asked = queries[rows]
        scores = vectors[asked] @ shown
        scores[pictures[asked][:, None] == pictures[gallery][None, :]] = -np.inf
        yield RankedBlock(rows, np.argsort(-scores, axis=1, kind="stable"), scores)
