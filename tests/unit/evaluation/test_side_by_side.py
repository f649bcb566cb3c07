"""Two models side by side: differences, ratios and parts."""

import numpy as np
import pytest

from embedder.evaluation.comparison import Resampling, figures

COUNT = 200
EVERYONE = np.ones(COUNT, dtype=bool)
HOW = Resampling(np.arange(COUNT), 500, 1, 0.95)


def test_a_better_model_stands_apart_and_the_difference_says_by_how_much() -> None:
    chance = np.random.default_rng(1)
    worse = chance.uniform(0.1, 0.3, size=(COUNT, 1))
    better = worse * 2
    (found,) = figures(["mAP"], better, worse, {"all": EVERYONE}, HOW)
    assert found.apart is True
    assert found.difference is not None
    assert found.ratio is not None
    assert found.ratio == pytest.approx((2.0, 2.0, 2.0))
    assert found.difference.low > 0
    (turned,) = figures(["mAP"], worse, better, {"all": EVERYONE}, HOW)
    assert turned.difference == pytest.approx([-found.difference.value, -found.difference.high, -found.difference.low])


def test_a_model_beside_itself_does_not_differ() -> None:
    values = np.random.default_rng(2).uniform(size=(COUNT, 1))
    (found,) = figures(["mAP"], values, values, {"all": EVERYONE}, HOW)
    assert (found.apart, found.difference, found.ratio) == (False, (0, 0, 0), (1, 1, 1))


def test_parts_count_their_own_queries() -> None:
    values = np.column_stack([np.arange(COUNT) / COUNT, np.full(COUNT, np.nan)])
    half = np.arange(COUNT) < COUNT // 2
    found = {(f.part, f.measure): f for f in figures(["a", "b"], values, None, {"all": EVERYONE, "half": half}, HOW)}
    assert found["half", "a"].queries == COUNT // 2
    assert found["half", "a"].model.value == pytest.approx(values[half, 0].mean())
    assert found["all", "b"].queries == 0
    assert np.isnan(found["all", "b"].model.value)


def test_a_baseline_of_0_has_no_ratio() -> None:
    (found,) = figures(["a"], np.ones((COUNT, 1)), np.zeros((COUNT, 1)), {"all": EVERYONE}, HOW)
    assert found.ratio is not None
    assert np.isnan(found.ratio.value)
