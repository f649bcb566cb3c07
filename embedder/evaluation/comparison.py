"""Figures with their intervals, of one model or of two side by side, for all queries and for parts of them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from embedder.evaluation.bootstrap import Estimate, estimate, mean_of, resampled_means

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


class Resampling(NamedTuple):
    """How intervals are made: queries are drawn by `clusters` (q,), so many times, for a middle share `level`."""

    clusters: IntArray
    resamples: int
    seed: int
    level: float


class Figure(NamedTuple):
    """One measure over a part of the queries.

    `queries` counts those that have a value. `difference` and `ratio` are the model's less, or over, the baseline's,
    from the same draws of queries; `apart` says that the two intervals do not touch.
    """

    part: str
    measure: str
    queries: int
    model: Estimate
    baseline: Estimate | None = None
    difference: Estimate | None = None
    ratio: Estimate | None = None
    apart: bool | None = None


def figures(
    names: Sequence[str],
    model: FloatArray,
    baseline: FloatArray | None,
    parts: Mapping[str, BoolArray],
    how: Resampling,
) -> list[Figure]:
    """A figure for each part (marks (q,)) and measure (columns of `model` and `baseline`, (q, measures)).

    Both models must have been asked the same queries, so that a query without a value has none in both.
    """
    found = []
    for part, marks in parts.items():
        rows = np.flatnonzero(marks)
        columns = model[rows] if baseline is None else np.hstack([model[rows], baseline[rows]])
        drawn = resampled_means(columns, how.clusters[rows], how.resamples, how.seed)
        for number, name in enumerate(names):
            there = ~np.isnan(columns[:, number])
            clusters = len(np.unique(how.clusters[rows][there]))
            ours = _Column(mean_of(columns[:, number]), drawn[:, number], how.level, clusters)
            figure = Figure(part, name, int(there.sum()), ours.estimate())
            if baseline is not None:
                other = number + len(names)
                theirs = ours._replace(value=mean_of(columns[:, other]), drawn=drawn[:, other])
                figure = _beside(figure, ours, theirs)
            found.append(figure)
    return found


class _Column(NamedTuple):
    """A mean, its resampled twins (resamples,), and what an interval needs beside them."""

    value: float
    drawn: FloatArray
    level: float
    clusters: int

    def estimate(self) -> Estimate:
        return estimate(self.value, self.drawn, self.level, self.clusters)


def _beside(figure: Figure, ours: _Column, theirs: _Column) -> Figure:
    model, baseline = ours.estimate(), theirs.estimate()
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = ours.drawn / theirs.drawn
    ratio = ours.value / theirs.value if theirs.value > 0 else float("nan")
    apart = bool(model.low > baseline.high or model.high < baseline.low)
    return figure._replace(
        baseline=baseline,
        difference=ours._replace(value=ours.value - theirs.value, drawn=ours.drawn - theirs.drawn).estimate(),
        ratio=ours._replace(value=ratio, drawn=ratios).estimate(),
        apart=apart if np.isfinite([model.low, baseline.low]).all() else None,
    )
