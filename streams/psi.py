"""The population stability index (PSI): how far a distribution has moved from its reference.

    PSI = sum over bins of (a - e) ln(a / e)

e and a are the bins' shares of the reference and of what is compared. It is Kullback and Leibler's divergence taken
both ways ("On information and sufficiency", 1951), under the name and with the reading of Siddiqi, "Credit Risk
Scorecards" (2006): below 0.1 nothing has moved, from 0.1 on something has, above 0.25 the population is another one.
The ten bins are cut at the reference's own deciles.

Two samples of one population have a PSI too: about (1/n + 1/m) times a chi-squared variable of B - 1 degrees of
freedom, for n and m values in B bins (Yurdakul, "Statistical properties of population stability index", 2018). So its
mean is (B - 1)(1/n + 1/m), and what can be told from chance depends on the sizes of the samples.
"""

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

BINS = 10
EMPTY_SHARE = 1e-4
"""Stands for the share of an empty bin, whose logarithm would be infinite; other shares are taken as they are."""

CHANCE = 1e-6
"""How often a limit may be passed by chance alone."""

RESAMPLES, CHUNK = 200, 64
"""Draws of `mean_psi_freedom`, and the dimensions that it holds at once."""

FloatArray = npt.NDArray[np.floating]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


def quantile_edges(values: FloatArray) -> Float32Array:
    """The reference's deciles of each feature: float32 (features, 9) of values (n, features), n at least 1.

    A value that occurs often makes several edges equal; between them lie bins that stay empty and add nothing.
    """
    shares = np.arange(1, BINS) / BINS
    return np.quantile(values.astype(np.float64), shares, axis=0).T.astype(np.float32)


def bin_counts(values: FloatArray, edges: Float32Array) -> Counts:
    """How many of the values (n, features) lie in each bin (lower edge, upper edge]: int64 (features, 10)."""
    above = np.stack([np.count_nonzero(values > edge, axis=0) for edge in edges.T])
    bounds = np.vstack([np.full(len(edges), len(values)), above, np.zeros(len(edges), np.int64)])
    return -np.diff(bounds, axis=0).T


def psi(expected: Counts, actual: Counts) -> Float64Array:
    """The index of each feature, from the counts of both samples (features, bins); neither may be empty."""
    e, a = _shares(expected), _shares(actual)
    index: Float64Array = ((a - e) * np.log(a / e)).sum(axis=-1)
    return index


def effective_bins(edges: Float32Array) -> Counts:
    """Of each feature, the bins that something can lie in: int64 (features,), at most 10."""
    bins: Counts = 2 + np.count_nonzero(np.diff(edges, axis=1), axis=1)
    return bins


def chance_psi(bins: Counts, n: int, m: int) -> Float64Array:
    """The mean PSI of samples of n and m values of one population, in so many bins."""
    return (bins - 1).astype(np.float64) * (1 / n + 1 / m)


def critical_psi(bins: Counts, n: int, m: int, chance: float = CHANCE) -> Float64Array:
    """The PSI that samples of n and m values of one population pass by `chance`, in so many bins."""
    freedom = (bins - 1).astype(np.float64)
    return chance_psi(bins, n, m) * _quantile_over_mean(freedom, chance)


def mean_psi_freedom(values: Float32Array, edges: Float32Array, window: int) -> float:
    """How the mean over dimensions of PSI varies by chance: as a chi-squared variable of so many degrees of freedom.

    Dimensions that follow each other make the mean vary more than independent ones would, so their dependence is taken
    from the reference (n, dimensions) itself: windows and references are drawn from it with replacement (Efron,
    "Bootstrap methods", 1979), and the freedom is 2 mean^2 / variance (Satterthwaite, "An approximate distribution of
    estimates of variance components", 1946). Few items to draw from make it err to the careful side, that is, too
    little freedom. It belongs to the distribution: it holds for windows of other sizes too.
    """
    rng, count = np.random.default_rng(0), len(values)
    even = np.full(count, 1 / count)
    references, windows = (rng.multinomial(n, even, RESAMPLES).astype(np.float32) for n in (count, window))
    total = np.zeros(RESAMPLES)
    for start in range(0, len(edges), CHUNK):
        some = slice(start, start + CHUNK)
        place = np.zeros(values[:, some].shape, np.uint8)
        for edge in edges[some].T:
            place += values[:, some] > edge
        lies = (place[:, :, None] == np.arange(BINS, dtype=np.uint8)).reshape(count, -1).astype(np.float32)
        expected, actual = ((w @ lies).reshape(RESAMPLES, -1, BINS).astype(np.int64) for w in (references, windows))
        total += psi(expected, actual).sum(axis=1)
    mean, variance = float(total.mean()), float(total.var(ddof=1))
    return 2 * mean**2 / variance if variance > 0 else 1.0


def critical_mean_psi(chance_mean: float, freedom: float) -> float:
    """What the mean over dimensions of PSI passes once in a million times, where it is `chance_mean` on average."""
    return chance_mean * float(_quantile_over_mean(np.float64(freedom), CHANCE))


def _quantile_over_mean(freedom: Float64Array | np.float64, chance: float) -> Float64Array | np.float64:
    """Of chi-squared, after Wilson and Hilferty ("The distribution of chi-square", 1931)."""
    spread = 2 / (9 * freedom)
    cube: Float64Array = (1 - spread + NormalDist().inv_cdf(1 - chance) * np.sqrt(spread)) ** 3
    return cube


def _shares(counts: Counts) -> Float64Array:
    shares = counts / counts.sum(axis=-1, keepdims=True)
    return np.where(counts == 0, EMPTY_SHARE, shares)
