"""At which rank a changed picture finds its original."""

import numpy as np
import pytest

from embedder.evaluation.robustness import found_within, ranks_of_originals

VECTORS = np.array([[1, 0], [0.8, 0.6], [0.6, 0.8], [0, 1]], dtype=np.float32)
OWN = np.arange(4)


def test_ranks_count_what_is_more_similar(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    expected = [1, 3, 4]
    assert ranks_of_originals(changed, VECTORS, OWN, np.array([0, 2, 0])).tolist() == expected
    monkeypatch.setattr("embedder.evaluation.robustness.BLOCK_BYTES", 1)
    assert ranks_of_originals(changed, VECTORS, OWN, np.array([0, 2, 0])).tolist() == expected


def test_a_model_for_which_all_is_alike_finds_nothing() -> None:
    same = np.ones((9, 2), dtype=np.float32)
    ranks = ranks_of_originals(same, same, np.arange(9), np.arange(9))
    assert found_within(ranks, 5).tolist() == [0.0] * 9


def test_an_identical_picture_is_the_original_too() -> None:
    assert ranks_of_originals(VECTORS[:1], VECTORS, np.array([3, 4, 5, 3]), np.array([3])).tolist() == [1]


def test_a_picture_that_could_not_be_embedded_is_not_found() -> None:
    assert ranks_of_originals(np.full((1, 2), np.nan, np.float32), VECTORS, OWN, np.array([0])).tolist() == [4]
