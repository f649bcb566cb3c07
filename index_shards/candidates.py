"""Scored pictures on their way to an answer, and the choice of the best of them."""

from collections.abc import Callable
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

SCORE_DECIMALS = 6
_SCALE = 10.0**SCORE_DECIMALS
SCORE = itemgetter(0)
# Up to so many scores are rounded by Python: the first call of numpy's takes longer than all of these.
FEW = 64
# More than the float32 noise of a score and the rounding together.
TIE_WITHIN = 5e-6

# Rows of more positions than this are not all taken at once.
READ_ROWS = 8192

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
# Vectors as they are kept, in whole or half precision.
Rows = npt.NDArray[np.float32] | npt.NDArray[np.float16]


class Candidates(NamedTuple):
    """Pictures as pairs of score and ordinal, in no order; `complete` when none that may be found was left out.

    Lists, as there are few: a call of numpy costs several microseconds where a walk through a graph has just emptied
    the processor's caches, and a search has only some hundred.
    """

    scored: list[tuple[float, int]]
    complete: bool

    @property
    def ordinals(self) -> list[int]:
        """The pictures alone."""
        return [ordinal for _, ordinal in self.scored]

    def best(self, count: int) -> list[int]:
        """The best pictures alone, best first."""
        return [ordinal for _, ordinal in sorted(self.scored, key=SCORE, reverse=True)[:count]]


class Met(NamedTuple):
    """What a walk through a graph met, best first: positions and scores as the graph's codes have them, shape (n,)."""

    positions: Int64Array
    scores: Float32Array


NOTHING = Candidates([], True)


def met_of(positions: Int64Array, scores: Float32Array) -> Met:
    """What FAISS found, without the -1 that stand for nothing at its end."""
    if len(positions) and positions.item(-1) < 0:
        there = positions >= 0
        return Met(positions[there], scores[there])
    return Met(positions, scores)


def nearly_best(scores: Float32Array, depth: int) -> Int64Array:
    """Indices of the `depth` best of scores of shape (n,), and of everything that may tie with the last of them."""
    if len(scores) <= depth:
        return np.arange(len(scores))
    threshold = np.partition(scores, len(scores) - depth)[len(scores) - depth]
    return np.flatnonzero(scores >= threshold - TIE_WITHIN)


def final_scores(rows: Rows, query: Float32Array) -> list[float]:
    """The scores of vectors of shape (n, dimension) as they are compared and answered; each is one of -1 to 1.

    In float32 the same picture scores differently (by about 1e-7) wherever its sum is taken in another order: in the
    graph, in the buffer, in another shard. Equal pictures would then be ordered by that noise and not by item_id. The
    few that count are therefore scored again in float64 and rounded, to the same number however many they are.
    """
    exact: Float64Array = rows.astype(np.float64).dot(query.astype(np.float64))
    if len(exact) <= FEW:
        return [round(score * _SCALE) / _SCALE for score in exact.tolist()]
    scores: list[float] = (np.rint(exact * _SCALE) / _SCALE + 0.0).tolist()
    return scores


def ranked(
    take: Callable[[Int64Array], Float32Array], ordinals: Int64Array, query: Float32Array, depth: int, at: Int64Array
) -> Candidates:
    """The `depth` best of the positions `at`, shape (n,), with what ties with the last.

    `take` has the vectors of positions, shape (n, dimension), and `ordinals` the picture by position.
    """
    if len(at) <= depth:
        return scored(ordinals[at], take(at), query)
    if len(at) <= READ_ROWS:
        rows = take(at)
        picked = nearly_best(rows @ query, depth)
        return scored(ordinals[at[picked]], rows[picked], query)
    pieces = [at[start : start + READ_ROWS] for start in range(0, len(at), READ_ROWS)]
    best = at[nearly_best(np.concatenate([take(piece) @ query for piece in pieces]), depth)]
    return scored(ordinals[best], take(best), query)


def scored(ordinals: Int64Array, rows: Rows, query: Float32Array, complete: bool = False) -> Candidates:
    """Pictures of shape (n,) with the scores of their vectors, shape (n, dimension)."""
    return Candidates(list(zip(final_scores(rows, query), ordinals.tolist(), strict=True)), complete)
