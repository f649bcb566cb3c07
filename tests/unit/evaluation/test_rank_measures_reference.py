"""Every measure equals scikit-learn's on random rankings, from scores on."""

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    coverage_error,
    label_ranking_average_precision_score,
    ndcg_score,
    precision_score,
    recall_score,
)

from embedder.evaluation.relevance import AttributeRelevance
from embedder.evaluation.retrieval import Judging, judge

EXACT = 1e-9
DEPTHS = (1, 3, 10)
COUNT = 60


def reference(scores: np.ndarray, grades: np.ndarray, gain: str) -> dict[str, float]:
    """All measures of one query by scikit-learn; scores are all different."""
    relevant = (grades > 0).astype(int)
    gains = grades.astype(float) if gain == "linear" else 2.0**grades - 1
    single = [(np.arange(len(grades)) == place).astype(int) for place in np.flatnonzero(relevant)]
    first = min(coverage_error([one], [scores]) for one in single)
    values = {
        "mAP": average_precision_score(relevant, scores),
        "MRR": max(label_ranking_average_precision_score([one], [scores]) for one in single),
        "nDCG": ndcg_score([gains], [scores], ignore_ties=True),
    }
    for k in DEPTHS:
        top = np.zeros(len(grades), dtype=int)
        top[np.argsort(-scores)[:k]] = 1
        values[f"nDCG@{k}"] = ndcg_score([gains], [scores], k=k, ignore_ties=True)
        values[f"precision@{k}"] = precision_score(relevant, top)
        values[f"recall@{k}"] = recall_score(relevant, top)
        values[f"hit@{k}"] = float(first <= k)
    return {name: float(value) for name, value in values.items()}


@pytest.mark.parametrize("gain", ["exponential", "linear"])
@pytest.mark.parametrize("seed", range(3))
def test_measures_equal_the_reference(gain: str, seed: int) -> None:
    chance = np.random.default_rng(seed)
    vectors = chance.normal(size=(COUNT, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    categories, groups = chance.integers(0, 4, COUNT), chance.integers(0, 25, COUNT)
    relevance = AttributeRelevance(categories, groups, category_grade=2, group_grade=5)
    everyone = np.arange(COUNT)
    judged = judge(vectors, Judging(everyone, everyone, everyone, relevance, DEPTHS, gain=gain))

    for query in everyone:
        others = everyone != query
        scores = (vectors[query] @ vectors.T)[others]
        assert len(np.unique(scores)) == len(scores)
        alike = np.where(categories == categories[query], 2, 0)
        grades = np.where(groups == groups[query], 5, alike)[others]
        expected = reference(scores.astype(np.float64), grades, gain)
        assert dict(zip(judged.names, judged.values[query], strict=True)) == pytest.approx(expected, abs=EXACT, rel=0)
