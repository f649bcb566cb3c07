"""Measures of rankings: pure functions from the grades of what was found, rank by rank, to one number per query.

Every function takes `grades`, int8 of shape (queries, ranks): a query's *whole* ranking row by row, best first, each
item's grade in 0..5. It must be whole, as what was not found counts too; zeros behind it change nothing. An item is
relevant from the grade `relevant_from` on. Every function gives float64 of shape (queries,) in 0..1, and NaN for a
query to which nothing is relevant: nothing could be found, so it says nothing and is left out of means.

Precision, recall and average precision are those of Manning, Raghavan and Schütze, "Introduction to Information
Retrieval" (2008), sections 8.3 and 8.4, cut off as `trec_eval` does it.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

Grades = npt.NDArray[np.int8]
FloatArray = npt.NDArray[np.float64]
Gain = Literal["exponential", "linear"]

MOST_GRADE = 5


def precision_at(grades: Grades, k: int, relevant_from: int = 1) -> FloatArray:
    """The share of the first k ranks that is relevant; a ranking shorter than k has nothing in the rest."""
    relevant = grades >= relevant_from
    return _where_relevant(relevant, relevant[:, :k].sum(axis=1) / k)


def recall_at(grades: Grades, k: int, relevant_from: int = 1) -> FloatArray:
    """The share of all that is relevant which stands in the first k ranks."""
    relevant = grades >= relevant_from
    total = relevant.sum(axis=1)
    return _where_relevant(relevant, relevant[:, :k].sum(axis=1) / np.maximum(total, 1))


def hit_at(grades: Grades, k: int, relevant_from: int = 1) -> FloatArray:
    """1 where anything relevant stands in the first k ranks, else 0.

    Metric learning calls its mean "Recall@K" (Oh Song et al., "Deep metric learning via lifted structured feature
    embedding", 2016); here recall is the share of `recall_at`.
    """
    relevant = grades >= relevant_from
    hits = np.where(relevant[:, :k].any(axis=1), 1.0, 0.0)
    return _where_relevant(relevant, hits)


def reciprocal_rank(grades: Grades, relevant_from: int = 1) -> FloatArray:
    """One over the rank of the first relevant item; its mean is MRR (Voorhees, "The TREC-8 question answering track
    report", 1999)."""
    relevant = grades >= relevant_from
    if relevant.shape[1] == 0:
        return np.full(len(relevant), np.nan)
    first: FloatArray = relevant.argmax(axis=1) + 1.0
    return _where_relevant(relevant, 1.0 / first)


def average_precision(grades: Grades, relevant_from: int = 1) -> FloatArray:
    """The mean, over all that is relevant, of the precision at its rank; its mean over queries is mAP."""
    relevant = grades >= relevant_from
    ranks = np.arange(1, relevant.shape[1] + 1)
    precision = np.cumsum(relevant, axis=1) / ranks
    total = relevant.sum(axis=1)
    return _where_relevant(relevant, (precision * relevant).sum(axis=1) / np.maximum(total, 1))


def ndcg_at(grades: Grades, k: int | None = None, gain: Gain = "exponential") -> FloatArray:
    """Discounted cumulative gain of the first k ranks (None: of all) over that of the best order of the same items.

    The discount is 1 / log2(rank + 1) (Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques",
    2002); the gain of grade g is g, or 2^g - 1 (Burges et al., "Learning to rank using gradient descent", 2005).
    Every grade above 0 counts.
    """
    depth = grades.shape[1] if k is None else min(k, grades.shape[1])
    levels = np.arange(MOST_GRADE + 1, dtype=np.float64)
    gains = levels if gain == "linear" else 2.0**levels - 1
    discount = 1.0 / np.log2(np.arange(2, depth + 2))
    best = np.sort(grades, axis=1)[:, ::-1][:, :depth]
    ideal = gains[best] @ discount
    found = gains[grades[:, :depth]] @ discount
    # Both are sums of the same numbers in another order, so the last bit may lie above 1.
    return _where_relevant(grades > 0, np.minimum(found / np.where(ideal > 0, ideal, 1.0), 1.0))


def _where_relevant(relevant: npt.NDArray[np.bool_], values: FloatArray) -> FloatArray:
    return np.where(relevant.any(axis=1), values, np.nan)
