"""Batches: every picture's turn comes, every label equally often, and a seed says it all."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from embedder.evaluation.relevance import NOTHING
from embedder.training.batches import balanced_batches, shuffled_batches

labels_of = st.lists(st.integers(NOTHING, 5), min_size=1, max_size=60).map(np.array)


@given(labels_of, st.integers(1, 6), st.integers(1, 5), st.integers(0, 9))
def test_a_balanced_batch_has_as_many_of_each_label(labels: np.ndarray, kinds: int, per_kind: int, seed: int) -> None:
    batches = balanced_batches(labels, kinds, per_kind, np.random.default_rng(seed))
    known = len(np.unique(labels[labels != NOTHING]))
    assert bool(batches) == bool(known)
    for rows in batches:
        found, counts = np.unique(labels[rows], return_counts=True)
        assert len(found) == min(kinds, known)
        assert set(counts.tolist()) == {per_kind}
        assert NOTHING not in found


def test_the_rows_of_a_label_take_turns() -> None:
    labels = np.array([0] * 7 + [1] * 50)
    batches = balanced_batches(labels, 2, 3, np.random.default_rng(1))
    assert len(batches) == 57 // 6
    rows = np.concatenate(batches)
    for label, size in ((0, 7), (1, 50)):
        of_label = rows[labels[rows] == label]
        counts = np.bincount(of_label, minlength=57)[labels == label]
        assert len(of_label) == 27
        assert counts.max() - counts.min() <= 1
        assert (counts > 0).sum() == min(size, 27)


@given(st.integers(1, 50), st.integers(1, 20), st.integers(0, 9))
def test_shuffled_batches_have_no_row_twice(count: int, size: int, seed: int) -> None:
    batches = shuffled_batches(count, size, np.random.default_rng(seed))
    rows = np.concatenate(batches)
    assert len(np.unique(rows)) == len(rows)
    assert {len(batch) for batch in batches} == {min(size, count)}
    assert len(rows) > count - size


def test_a_seed_decides_everything() -> None:
    labels = np.arange(40) % 4

    def drawn(seed: int) -> list[list[int]]:
        return [rows.tolist() for rows in balanced_batches(labels, 3, 2, np.random.default_rng(seed))]

    assert drawn(1) == drawn(1) != drawn(2)
