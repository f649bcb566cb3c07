"""Robustness: whether a changed picture still finds the one it was made from."""

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]

BLOCK_BYTES = 64 * 1024 * 1024


def ranks_of_originals(
    changed: Float32Array, vectors: Float32Array, pictures: IntArray, originals: IntArray
) -> IntArray:
    """The rank (m,), from 1 on, at which each changed picture (m, dimension) finds its original, a row of `vectors`.

    All rows of `vectors` (n, dimension) are searched; those of the same picture (equal `pictures` (n,)) are the
    original too. Whatever is exactly as similar as the original comes before it: a model for which all pictures are
    alike finds none. A row that is not finite, as of a picture that could not be embedded, comes last.
    """
    ranks = np.full(len(changed), len(vectors), dtype=np.int64)
    side = max(1, BLOCK_BYTES // (4 * max(len(vectors), 1)))
    for start in range(0, len(changed), side):
        rows = np.arange(start, min(start + side, len(changed)))
        rows = rows[np.isfinite(changed[rows]).all(axis=1)]
        scores = changed[rows] @ vectors.T
        same = pictures[None, :] == pictures[originals[rows]][:, None]
        own = np.where(same, scores, -np.inf).max(axis=1)
        ranks[rows] = 1 + ((scores >= own[:, None]) & ~same).sum(axis=1)
    return ranks


def found_within(ranks: IntArray, k: int) -> FloatArray:
    """1 where the original is among the first k, else 0, (m,)."""
    return (ranks <= k).astype(np.float64)
