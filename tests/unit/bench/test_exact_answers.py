"""The truth that recall is counted against."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.bench.vectors import exact_neighbours, hard_mixture, neighbours_among, recall


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 120), st.integers(1, 70), st.integers(1, 12))
def test_exact_neighbours_are_a_full_sort(count: int, asked: int, k: int) -> None:
    rows = hard_mixture(count + asked, 8, 5)
    rows, queries = rows[:count], rows[count:]
    found = exact_neighbours(rows, queries, k)
    scores = queries @ rows.T
    assert found.shape == (asked, min(k, count))
    best = -np.sort(-scores, axis=1)[:, :k]
    assert np.allclose(np.take_along_axis(scores, found, 1), best, atol=1e-6)


def test_neighbours_among_some_are_numbers_of_the_whole() -> None:
    pool = hard_mixture(200, 8, 1)
    numbers = np.arange(150, 200)
    found = neighbours_among(pool, numbers, pool[[160, 170]], 3)
    assert found[:, 0].tolist() == [160, 170]
    assert found.min() >= 150


def test_recall_counts_the_true_ones_that_were_found() -> None:
    true = np.array([[1, 2], [3, 4]])
    assert recall([[1, 2], [4, 3]], true) == 1.0
    assert recall([[1, 9], [9, 8]], true) == 0.25
    assert recall([[], [3]], true) == 0.25


def test_answers_beyond_k_do_not_count() -> None:
    assert recall([[7, 8, 1]], np.array([[1, 2]])) == 0.0
