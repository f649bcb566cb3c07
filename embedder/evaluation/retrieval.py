"""A model's retrieval, judged: every measure for every query, and what each one found first."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from embedder.evaluation.rank_measures import (
    Gain,
    Grades,
    average_precision,
    hit_at,
    ndcg_at,
    precision_at,
    recall_at,
    reciprocal_rank,
)
from embedder.evaluation.rankings import ranked_blocks
from embedder.evaluation.relevance import Relevance

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

Measure = Callable[[Grades], FloatArray]

NOT_THERE = -1


class Judging(NamedTuple):
    """What is asked of which gallery, and how answers are judged.

    `pictures` (n,), `queries` (q,) and `gallery` (g,) are as `ranked_blocks` takes them; `shown` is how many of the
    first found are kept of every query.
    """

    pictures: IntArray
    queries: IntArray
    gallery: IntArray
    relevance: Relevance
    depths: Sequence[int]
    relevant_from: int = 1
    gain: Gain = "exponential"
    shown: int = 0


class Judged(NamedTuple):
    """What came out: `values` (queries, measures), NaN where a query has none, `names` of the measures, and the first
    found: rows `nearest` (queries, shown), NOT_THERE where there is nothing more, with their scores and grades."""

    names: tuple[str, ...]
    values: FloatArray
    nearest: IntArray
    scores: Float32Array
    grades: Grades


def measure_names(depths: Sequence[int]) -> tuple[str, ...]:
    """The names of all measures, in the order of `Judged.values`."""
    return tuple(_measures(depths, 1, "exponential"))


def judge(vectors: Float32Array, judging: Judging, progress: Callable[[int], None] | None = None) -> Judged:
    """Judge unit vectors (n, dimension), one per picture; `progress` is told how many queries more are done."""
    measures = _measures(judging.depths, judging.relevant_from, judging.gain)
    count, gallery = len(judging.queries), judging.gallery
    shown = min(judging.shown, len(gallery))
    values = np.full((count, len(measures)), np.nan)
    nearest = np.full((count, shown), NOT_THERE, dtype=np.int64)
    scores, grades = np.zeros((count, shown), dtype=np.float32), np.zeros((count, shown), dtype=np.int8)
    for block in ranked_blocks(vectors, judging.pictures, judging.queries, gallery):
        hidden = np.isneginf(block.scores)
        graded = np.where(hidden, np.int8(0), judging.relevance.grades(judging.queries[block.rows], gallery))
        ranked = np.take_along_axis(graded, block.order, axis=1)
        for column, measure in enumerate(measures.values()):
            values[block.rows, column] = measure(ranked)
        first = block.order[:, :shown]
        there = ~np.take_along_axis(hidden, first, axis=1)
        nearest[block.rows] = np.where(there, gallery[first], NOT_THERE)
        scores[block.rows] = np.where(there, np.take_along_axis(block.scores, first, axis=1), 0)
        grades[block.rows] = ranked[:, :shown]
        if progress is not None:
            progress(len(block.rows))
    return Judged(tuple(measures), values, nearest, scores, grades)


def _measures(depths: Sequence[int], relevant_from: int, gain: Gain) -> dict[str, Measure]:
    measures: dict[str, Measure] = {
        "mAP": lambda grades: average_precision(grades, relevant_from),
        "MRR": lambda grades: reciprocal_rank(grades, relevant_from),
        "nDCG": lambda grades: ndcg_at(grades, None, gain),
    }
    for k in depths:
        measures[f"nDCG@{k}"] = lambda grades, k=k: ndcg_at(grades, k, gain)  # type: ignore[misc]
        measures[f"precision@{k}"] = lambda grades, k=k: precision_at(grades, k, relevant_from)  # type: ignore[misc]
        measures[f"recall@{k}"] = lambda grades, k=k: recall_at(grades, k, relevant_from)  # type: ignore[misc]
        measures[f"hit@{k}"] = lambda grades, k=k: hit_at(grades, k, relevant_from)  # type: ignore[misc]
    return measures
