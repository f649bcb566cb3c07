"""Scored pictures on their way to an answer, and the choice of the best of them."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

SCORE_DECIMALS = 6

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


class Candidates(NamedTuple):
    """Ordinals with their scores, both of shape (n,); `complete` when no picture that may be found was left out."""

    ordinals: Int64Array
    scores: Float64Array
    complete: bool


NOTHING = Candidates(np.empty(0, np.int64), np.empty(0, np.float64), True)


def rounded(scores: npt.NDArray[np.floating]) -> Float64Array:
    """Scores as they are compared and answered.

    The sum behind one score is taken in another order in the graph than in the buffer; without rounding, that noise
    (about 1e-7) would decide between equal pictures instead of the item_id.
    """
    wide: Float64Array = np.asarray(scores, np.float64)
    return np.asarray(np.round(wide, SCORE_DECIMALS) + 0.0, np.float64)


def best(ordinals: Int64Array, scores: Float64Array, depth: int) -> Candidates:
    """The `depth` best, and everything that ties with the last of them."""
    if len(scores) <= depth:
        return Candidates(ordinals, scores, True)
    threshold = np.partition(scores, len(scores) - depth)[len(scores) - depth]
    kept = scores >= threshold
    return Candidates(ordinals[kept], scores[kept], bool(kept.all()))
