"""Scored pictures on their way to an answer, and the choice of the best of them."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

SCORE_DECIMALS = 6
# More than the float32 noise of a score and the rounding together.
TIE_WITHIN = 5e-6

# Rows of more positions than this are not all taken at once.
READ_ROWS = 8192

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


class Candidates(NamedTuple):
    """Ordinals with their scores, both of shape (n,); `complete` when no picture that may be found was left out."""

    ordinals: Int64Array
    scores: Float64Array
    complete: bool


class Met(NamedTuple):
    """What a walk through a graph met, best first: positions and scores as the graph's codes have them, shape (n,)."""

    positions: Int64Array
    scores: Float32Array


NOTHING = Candidates(np.empty(0, np.int64), np.empty(0, np.float64), True)


def met_of(positions: Int64Array, scores: Float32Array) -> Met:
    """What FAISS found, without the -1 that stand for nothing at its end."""
    if len(positions) and positions[-1] < 0:
        there = positions >= 0
        return Met(positions[there], scores[there])
    return Met(positions, scores)


def nearly_best(scores: Float32Array, depth: int) -> Int64Array:
    """Indices of the `depth` best of scores of shape (n,), and of everything that may tie with the last of them."""
    if len(scores) <= depth:
        return np.arange(len(scores))
    threshold = np.partition(scores, len(scores) - depth)[len(scores) - depth]
    return np.flatnonzero(scores >= threshold - TIE_WITHIN)


def final_scores(rows: Float32Array, query: Float32Array) -> Float64Array:
    """The scores of vectors of shape (n, dimension) as they are compared and answered, shape (n,).

    In float32 the same picture scores differently (by about 1e-7) wherever its sum is taken in another order: in the
    graph, in the buffer, in another shard. Equal pictures would then be ordered by that noise and not by item_id. The
    few that count are therefore scored again in float64 and rounded.
    """
    exact: Float64Array = rows.astype(np.float64) @ query.astype(np.float64)
    scores: Float64Array = exact.round(SCORE_DECIMALS) + 0.0
    return scores


def ranked(
    take: Callable[[Int64Array], Float32Array], ordinals: Int64Array, query: Float32Array, depth: int, at: Int64Array
) -> Candidates:
    """The `depth` best of the positions `at`, shape (n,), with what ties with the last.

    `take` has the vectors of positions, shape (n, dimension), and `ordinals` the picture by position.
    """
    if len(at) <= depth:
        return Candidates(ordinals[at], final_scores(take(at), query), False)
    if len(at) <= READ_ROWS:
        rows = take(at)
        picked = nearly_best(rows @ query, depth)
        return Candidates(ordinals[at[picked]], final_scores(rows[picked], query), False)
    pieces = [at[start : start + READ_ROWS] for start in range(0, len(at), READ_ROWS)]
    best = at[nearly_best(np.concatenate([take(piece) @ query for piece in pieces]), depth)]
    return Candidates(ordinals[best], final_scores(take(best), query), False)
