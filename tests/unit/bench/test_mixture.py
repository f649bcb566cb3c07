"""The seeded mixture: unit length, prefixes, and hard enough for an exact search to be worth it."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.bench.vectors import BLOCK, as_sent, exact_neighbours, hard_mixture


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 300), st.integers(2, 24), st.integers(0, 9))
def test_every_vector_has_unit_length(count: int, dimension: int, seed: int) -> None:
    rows = hard_mixture(count, dimension, seed)
    assert rows.shape == (count, dimension)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)


def test_a_smaller_mixture_is_a_prefix_of_a_larger() -> None:
    large = hard_mixture(BLOCK + 50, 4, 3)
    for count in (1, 100, BLOCK, BLOCK + 1):
        assert np.array_equal(hard_mixture(count, 4, 3), large[:count])


def test_another_seed_draws_other_vectors() -> None:
    assert not np.array_equal(hard_mixture(10, 8, 1), hard_mixture(10, 8, 2))


def test_neighbours_are_nearer_than_chance_but_not_copies() -> None:
    rows = hard_mixture(3000, 64, 1)
    queries = hard_mixture(3100, 64, 1)[3000:]
    best = np.take_along_axis(queries @ rows.T, exact_neighbours(rows, queries, 10), 1)
    assert np.median(best) > np.median(queries @ rows.T) + 0.2
    assert best.max() < 0.99


def test_travelling_keeps_what_half_precision_keeps() -> None:
    rows = hard_mixture(50, 16, 1)
    sent = as_sent(rows)
    assert np.array_equal(as_sent(sent), sent)
    assert np.allclose(sent, rows, atol=1e-3)
