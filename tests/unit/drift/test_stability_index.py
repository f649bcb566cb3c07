"""The population stability index: numpy's own arithmetic, and what chance makes of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.psi import (
    bin_counts,
    chance_psi,
    critical_mean_psi,
    critical_psi,
    effective_bins,
    mean_psi_freedom,
    psi,
    quantile_edges,
)


def numpy_psi(reference: np.ndarray, now: np.ndarray) -> float:
    """One feature, written down plainly: deciles, histograms, the sum."""
    inner = np.quantile(reference.astype(np.float64), [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    edges = np.concatenate([[-np.inf], inner, [np.inf]])
    expected = np.histogram(reference, edges)[0] / len(reference)
    actual = np.histogram(now, edges)[0] / len(now)
    return float(np.sum((actual - expected) * np.log(actual / expected)))


def index(reference: np.ndarray, now: np.ndarray) -> np.ndarray:
    edges = quantile_edges(reference)
    return psi(bin_counts(reference, edges), bin_counts(now, edges))


@given(st.integers(0, 2**32 - 1), st.integers(300, 900), st.integers(300, 900), st.floats(-0.5, 0.5))
def test_it_is_that_of_numpy(seed: int, m: int, n: int, moved: float) -> None:
    rng = np.random.default_rng(seed)
    reference = rng.standard_normal((m, 3)).astype(np.float32)
    now = (rng.standard_normal((n, 3)) + moved).astype(np.float32)
    found = index(reference, now)
    for feature in range(3):
        # Where a decile is one of the values, numpy's half-open bins put it on the other side: part them.
        inner = np.quantile(reference[:, feature].astype(np.float64), np.arange(1, 10) / 10).astype(np.float32)
        if not np.isin(inner, np.concatenate([reference[:, feature], now[:, feature]])).any():
            assert found[feature] == pytest.approx(numpy_psi(reference[:, feature], now[:, feature]), abs=1e-6)


def test_a_decile_that_is_a_value_counts_below() -> None:
    reference = np.arange(1, 12, dtype=np.float32)[:, None]
    edges = quantile_edges(reference)
    np.testing.assert_array_equal(edges[0], np.arange(2, 11))
    np.testing.assert_array_equal(bin_counts(reference, edges)[0], [2, 1, 1, 1, 1, 1, 1, 1, 1, 1])


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=20, max_size=60))
def test_values_that_repeat_leave_empty_bins_that_add_nothing(values: list[float]) -> None:
    column = np.array(values, np.float32)[:, None]
    assert index(column, column) == pytest.approx([0.0], abs=1e-12)
    edges = quantile_edges(column)
    used = np.count_nonzero(bin_counts(column, edges))
    assert used <= effective_bins(edges)[0] <= 10


def test_a_constant_that_changes_is_far_away_and_finite() -> None:
    still = np.full((200, 1), 0.25, np.float32)
    assert 5 < index(still, still + 0.5)[0] < 20


@given(st.integers(0, 2**32 - 1))
def test_both_ways_alike_and_never_negative(seed: int) -> None:
    counts = np.random.default_rng(seed).integers(1, 50, (2, 4, 10))
    there, back = psi(counts[0], counts[1]), psi(counts[1], counts[0])
    np.testing.assert_allclose(there, back, atol=1e-12)
    assert (there >= 0).all()


def test_chance_makes_as_much_as_yurdakul_says() -> None:
    rng = np.random.default_rng(5)
    m, n, features = 500, 400, 2000
    reference, now = rng.random((m, features)).astype(np.float32), rng.random((n, features)).astype(np.float32)
    bins = effective_bins(quantile_edges(reference))
    found = index(reference, now)
    assert found.mean() == pytest.approx(chance_psi(bins, n, m).mean(), rel=0.05)
    beyond = np.count_nonzero(found > critical_psi(bins, n, m, 0.01)) / features
    assert 0.003 < beyond < 0.025


def test_the_limit_is_chi_squareds_quantile() -> None:
    """Against tables: of 9 degrees of freedom 0.1 % pass 27.877, one in a million 44.811; of 1, 0.1 % pass 10.828."""
    unit = 1 / 500 + 1 / 400
    assert critical_psi(np.array([10]), 400, 500, 1e-3)[0] / unit == pytest.approx(27.877, rel=0.01)
    assert critical_psi(np.array([10]), 400, 500, 1e-6)[0] / unit == pytest.approx(44.811, rel=0.03)
    assert critical_psi(np.array([2]), 400, 500, 1e-3)[0] / unit == pytest.approx(10.828, rel=0.05)


def test_dimensions_that_follow_each_other_leave_less_freedom() -> None:
    rng = np.random.default_rng(11)
    loose = rng.standard_normal((500, 96)).astype(np.float32)
    tied = np.repeat(loose[:, :3], 32, axis=1)
    freedom = [mean_psi_freedom(rows, quantile_edges(rows), 400) for rows in (loose, tied)]
    assert 10 * freedom[1] < freedom[0] < 96 * 9
    assert freedom[1] == pytest.approx(3 * 9, rel=0.3)
    loose_limit, tied_limit = (critical_mean_psi(0.04, some) for some in freedom)
    assert 0.04 < loose_limit < tied_limit


def test_the_freedom_does_not_hang_on_how_many_dimensions_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(3).standard_normal((150, 70)).astype(np.float32)
    whole = mean_psi_freedom(rows, quantile_edges(rows), 100)
    monkeypatch.setattr("streams.psi.CHUNK", 7)
    assert mean_psi_freedom(rows, quantile_edges(rows), 100) == pytest.approx(whole)
