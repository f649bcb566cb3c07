"""Rankings are exact, whole, the same whatever the block, and never find the query's own picture."""

import numpy as np
import pytest

from embedder.evaluation.rankings import ranked_blocks


def ranked(
    vectors: np.ndarray, pictures: np.ndarray, queries: np.ndarray, gallery: np.ndarray, block_bytes: int
) -> list[list[int]]:
    blocks = list(ranked_blocks(vectors, pictures, queries, gallery, block_bytes))
    assert np.concatenate([block.rows for block in blocks]).tolist() == list(range(len(queries)))
    return [line.tolist() for block in blocks for line in gallery[block.order]]


@pytest.mark.parametrize("block_bytes", [1, 500, 1 << 20])
def test_the_gallery_is_ordered_by_similarity(block_bytes: int) -> None:
    chance = np.random.default_rng(3)
    vectors = chance.normal(size=(40, 5)).astype(np.float32)
    queries, gallery = np.arange(0, 40, 3), np.arange(1, 40, 2)
    for query, line in zip(queries, ranked(vectors, np.arange(40), queries, gallery, block_bytes), strict=True):
        expected = sorted(gallery.tolist(), key=lambda row: (row == query, -float(vectors[query] @ vectors[row])))
        assert line == expected


def test_ties_stand_in_the_order_of_the_gallery() -> None:
    vectors = np.ones((5, 2), dtype=np.float32)
    everyone = np.arange(5)
    assert ranked(vectors, everyone, everyone, everyone, 1 << 20)[2] == [0, 1, 3, 4, 2]


def test_the_same_picture_under_another_id_is_not_found_either() -> None:
    vectors = np.array([[1, 0], [1, 0], [0.6, 0.8], [0, 1]], dtype=np.float32)
    everyone = np.arange(4)
    (block,) = ranked_blocks(vectors, np.array([7, 7, 8, 9]), everyone[:1], everyone)
    assert block.order[0].tolist()[:2] == [2, 3]
    assert np.isneginf(block.scores[0]).tolist() == [True, True, False, False]
