"""A score is the same number however many are taken at once, and wherever."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from index_shards.candidates import FEW, final_scores


@given(st.integers(0, 1 << 32), st.integers(1, FEW))
def test_few_at_once_score_like_many(seed: int, count: int) -> None:
    chance = np.random.default_rng(seed)
    rows = chance.standard_normal((FEW + 1, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    # Whole vectors against each other, at right angles, and equal ones.
    rows[0], rows[1], query = np.eye(8)[1], np.eye(8)[0], np.eye(8, dtype=np.float32)[0]
    for asked in (query, rows[2], -query):
        many = final_scores(rows, asked)
        assert final_scores(rows[:count], asked) == many[:count]
        assert all(score == round(score, 6) for score in many)


def test_no_score_is_a_negative_nought() -> None:
    rows, query = np.zeros((FEW + 1, 4), np.float32), np.full(4, -0.5, np.float32)
    for scores in (final_scores(rows, query), final_scores(rows[:1], query)):
        assert str(scores[0]) == "0.0"


def test_half_precision_scores_like_its_numbers_in_whole() -> None:
    halves = np.random.default_rng(5).standard_normal((9, 16)).astype(np.float16)
    query = np.random.default_rng(6).standard_normal(16).astype(np.float32)
    assert final_scores(halves, query) == final_scores(halves.astype(np.float32), query)
