"""The popular half."""

import numpy as np

from embedder.evaluation.popularity import frequencies, popular_half
from embedder.evaluation.relevance import numbered


def test_frequent_categories_are_popular() -> None:
    codes = numbered(["a"] * 5 + ["b"] * 3 + ["c"] * 2 + [None])
    counts = frequencies(codes)
    assert counts[:-1].tolist() == [5] * 5 + [3] * 3 + [2] * 2
    assert np.isnan(counts[-1])
    assert popular_half(counts).tolist() == [True] * 5 + [False] * 6


def test_where_all_are_alike_nothing_is_rare() -> None:
    assert popular_half(np.ones(4)).all()
    assert not popular_half(np.full(3, np.nan)).any()


def test_a_column_is_cut_at_its_median() -> None:
    assert popular_half(np.array([1.0, 2.0, 3.0, 4.0])).tolist() == [False, False, True, True]
