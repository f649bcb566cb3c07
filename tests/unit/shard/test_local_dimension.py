"""The local dimension of evenly spread points is that of their space, and tells how wide a walk must be."""

import numpy as np
import pytest

from index_shards.local_dimension import HARD_DIMENSION, WIDER_AT_MOST, local_dimension, widened


@pytest.mark.parametrize("dimension", [2, 8, 40])
def test_points_in_a_ball_have_the_dimension_of_their_space(dimension: int) -> None:
    # The share of a ball's points within radius r is r ** dimension.
    ranks = np.arange(1, 129)
    distances = 0.2 * (ranks / 128) ** (1 / dimension)
    scores = (1 - distances**2 / 2).astype(np.float32)
    assert local_dimension(scores, 10) == pytest.approx(dimension, rel=0.01)


def test_too_few_or_equal_scores_tell_nothing() -> None:
    assert local_dimension(np.full(10, 0.5, np.float32), 10) == 0.0
    assert local_dimension(np.full(128, 0.5, np.float32), 10) == 0.0
    assert local_dimension(np.full(128, 1.0, np.float32), 10) == 0.0


def test_only_hard_queries_are_walked_wider_and_not_without_end() -> None:
    assert widened(128, HARD_DIMENSION) == 128
    assert 128 < widened(128, HARD_DIMENSION + 1) < widened(128, 1.5 * HARD_DIMENSION) <= WIDER_AT_MOST * 128
    assert widened(128, 1e9) == WIDER_AT_MOST * 128
