"""Popular against rare: a model may serve what there is much of, and fail at all else."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def popular_half(popularity: FloatArray) -> BoolArray:
    """Marks (n,) of the more popular half: what is above the median, or at it where that comes nearer to a half.

    `popularity` (n,) may be a count of sales, or how many items the category of each has. NaN is never popular. Where
    all are alike, all are popular and nothing is rare.
    """
    known = popularity[~np.isnan(popularity)]
    if not len(known):
        return np.zeros(len(popularity), dtype=np.bool_)
    median = np.quantile(known, 0.5, method="higher")
    above, from_it = popularity > median, popularity >= median
    half = len(popularity) / 2
    nearer_above = abs(above.sum() - half) < abs(from_it.sum() - half)
    return np.asarray(above if above.any() and nearer_above else from_it, dtype=np.bool_)


def frequencies(codes: npt.NDArray[np.int64]) -> FloatArray:
    """How often each row's value occurs, (n,); NaN for rows without one (a negative number)."""
    counts = np.bincount(codes[codes >= 0], minlength=1)
    return np.where(codes >= 0, counts[np.maximum(codes, 0)].astype(np.float64), np.nan)
