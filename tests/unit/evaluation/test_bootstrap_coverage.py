"""Intervals hold the truth as often as they say, also for products of several pictures and for paired differences."""

import numpy as np
import pytest
from scipy.stats import t as student

from embedder.evaluation.bootstrap import estimate, mean_of, resampled_means, student_quantile

RUNS, RESAMPLES, LEVEL = 400, 300, 0.95
LEAST, MOST = 0.91, 0.985
"""Coverage that 400 runs of a right 95 % interval leave, within 3.5 standard errors of 0.011."""


def covered(values: np.ndarray, clusters: np.ndarray, truth: float, seed: int) -> bool:
    drawn = resampled_means(values[:, None], clusters, RESAMPLES, seed)[:, 0]
    found = estimate(mean_of(values), drawn, LEVEL, len(np.unique(clusters)))
    assert found.low <= found.value <= found.high
    return found.low <= truth <= found.high


def test_an_interval_of_independent_queries_covers_the_true_mean() -> None:
    chance = np.random.default_rng(1)
    samples = chance.beta(2, 5, size=(RUNS, 120))
    share = np.mean([covered(sample, np.arange(120), 2 / 7, run) for run, sample in enumerate(samples)])
    assert LEAST <= share <= MOST


def test_pictures_of_one_product_are_one_witness() -> None:
    chance = np.random.default_rng(2)
    clusters = np.repeat(np.arange(60), 5)
    samples = chance.uniform(size=(RUNS, 60)).repeat(5, axis=1)
    together = np.mean([covered(sample, clusters, 0.5, run) for run, sample in enumerate(samples)])
    apart = np.mean([covered(sample, np.arange(300), 0.5, run) for run, sample in enumerate(samples)])
    assert LEAST <= together <= MOST
    assert apart < 0.75


def test_a_small_category_is_covered_too() -> None:
    chance = np.random.default_rng(5)
    share = np.mean([covered(chance.uniform(size=12), np.arange(12), 0.5, run) for run in range(RUNS)])
    assert LEAST <= share <= MOST


@pytest.mark.parametrize(("freedom", "close"), [(1, 1e-9), (2, 1e-9), (3, 1e-2), (5, 2e-3), (10, 1e-4), (200, 1e-8)])
@pytest.mark.parametrize("share", [0.9, 0.95, 0.975])
def test_students_quantile_is_the_one_of_the_tables(freedom: int, close: float, share: float) -> None:
    assert student_quantile(share, freedom) == pytest.approx(float(student.ppf(share, freedom)), rel=close)


def test_a_paired_difference_covers_and_is_narrower_than_an_unpaired_one() -> None:
    chance = np.random.default_rng(3)
    hits, widths = [], []
    for run in range(RUNS):
        hard = chance.uniform(size=100)
        both = np.column_stack([hard + 0.05 + chance.normal(0, 0.02, 100), hard])
        drawn = resampled_means(both, np.arange(100), RESAMPLES, run)
        paired = estimate(mean_of(both[:, 0]) - mean_of(both[:, 1]), drawn[:, 0] - drawn[:, 1], LEVEL, 100)
        hits.append(paired.low <= 0.05 <= paired.high)
        widths.append((paired.high - paired.low) / np.subtract(*np.quantile(drawn[:, 0], [0.975, 0.025])))
    assert LEAST <= np.mean(hits) <= MOST
    assert np.median(widths) < 0.2


def test_queries_without_a_value_count_for_nothing() -> None:
    values = np.array([[0.2], [np.nan], [0.4], [0.9]])
    drawn = resampled_means(values, np.arange(4), 500, 1)
    assert mean_of(values[:, 0]) == pytest.approx(0.5)
    there = drawn[~np.isnan(drawn)]
    assert ((there >= 0.2 - 1e-12) & (there <= 0.9 + 1e-12)).all()
    assert np.isnan(mean_of(np.array([np.nan])))


def test_one_product_alone_has_no_interval() -> None:
    drawn = resampled_means(np.array([[0.1], [0.2]]), np.array([4, 4]), 100, 1)
    found = estimate(0.15, drawn[:, 0], LEVEL, 1)
    assert found.value == 0.15
    assert np.isnan([found.low, found.high]).all()


def test_the_same_seed_draws_the_same_in_any_number_of_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(4).uniform(size=(50, 2))
    whole = resampled_means(values, np.arange(50), 200, 9)
    monkeypatch.setattr("embedder.evaluation.bootstrap.CHUNK_BYTES", 50 * 8 * 7)
    np.testing.assert_allclose(resampled_means(values, np.arange(50), 200, 9), whole, rtol=0, atol=1e-12)
