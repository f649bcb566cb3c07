"""How sure a mean is: the percentile bootstrap over queries, drawn by product, and paired between models.

Efron and Tibshirani, "An introduction to the bootstrap" (1993), chapters 8 and 13; for measures of retrieval and
paired differences of them: Sakai, "Evaluating evaluation metrics based on the bootstrap" (2006). Intervals are expanded
for small samples, for which percentiles alone are too narrow (Hesterberg, "What teachers should know about the
bootstrap", 2015). The gallery stays what it is: an interval is about other queries of this kind, not about another
catalogue.
"""

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CHUNK_BYTES = 32 * 1024 * 1024
LEAST_CLUSTERS = 2


class Estimate(NamedTuple):
    """A figure and its interval; both ends are NaN where there is too little to resample."""

    value: float
    low: float
    high: float


def mean_of(values: FloatArray) -> float:
    """The mean of what is there; NaN where nothing is."""
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else float("nan")


def resampled_means(values: FloatArray, clusters: IntArray, resamples: int, seed: int) -> FloatArray:
    """Means (resamples, columns) of the columns of `values` (n, columns) over resampled clusters of rows.

    Rows of one cluster (n,), as pictures of one product, are no independent witnesses: they are drawn together. Every
    column sees the same draws, so that the difference of two columns is a paired one. NaN is left out of a column's
    mean. The same seed gives the same means.
    """
    _, codes = np.unique(clusters, return_inverse=True)
    count = int(codes.max()) + 1 if len(codes) else 0
    if count < LEAST_CLUSTERS:
        return np.full((resamples, values.shape[1]), np.nan)
    there = ~np.isnan(values)
    sums, sizes = np.zeros((count, values.shape[1])), np.zeros((count, values.shape[1]))
    np.add.at(sums, codes, np.where(there, values, 0.0))
    np.add.at(sizes, codes, there.astype(np.float64))
    chance = np.random.default_rng(seed)
    step = max(1, CHUNK_BYTES // (8 * count))
    parts = []
    for start in range(0, resamples, step):
        drawn = chance.multinomial(count, np.full(count, 1.0 / count), size=min(step, resamples - start))
        weights = drawn.astype(np.float64)
        totals = weights @ sizes
        parts.append(np.where(totals > 0, weights @ sums / np.where(totals > 0, totals, 1.0), np.nan))
    return np.concatenate(parts) if parts else np.empty((0, values.shape[1]))


def estimate(value: float, resampled: FloatArray, level: float, clusters: int) -> Estimate:
    """The value with its interval at `level`, from its resampled twins (resamples,) over so many clusters."""
    there = resampled[np.isfinite(resampled)]
    if not len(there) or not np.isfinite(value) or clusters < LEAST_CLUSTERS:
        return Estimate(value, float("nan"), float("nan"))
    tail = expanded_tail(level, clusters)
    low, high = np.quantile(there, [tail, 1 - tail])
    return Estimate(value, float(low), float(high))


def expanded_tail(level: float, clusters: int) -> float:
    """The share of resamples to cut off at each end: Phi(-sqrt(n / (n - 1)) t), where t is Student's quantile."""
    wide = math.sqrt(clusters / (clusters - 1)) * student_quantile((1 + level) / 2, clusters - 1)
    return NormalDist().cdf(-wide)


def student_quantile(share: float, freedom: int) -> float:
    """Student's t quantile: exact for 1 and 2 degrees of freedom, else by Abramowitz and Stegun (1964), 26.7.5, which
    is right to 1 % at three degrees and to 0.01 % from ten on, for a share of 0.975."""
    if freedom == 1:
        return math.tan(math.pi * (share - 0.5))
    if freedom == 2:
        return (2 * share - 1) / math.sqrt(2 * share * (1 - share))
    z = NormalDist().inv_cdf(share)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3
