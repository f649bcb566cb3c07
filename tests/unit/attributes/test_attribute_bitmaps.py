"""Bitmaps made from masks and arrays hold just the places that were set."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from index_shards.attribute_bitmaps import bitmap_bytes, bitmap_of, bitmap_of_mask, numbers_of


@pytest.mark.parametrize("length", [0, 1, 63, 65_535, 65_536, 65_537, 200_001])
@pytest.mark.parametrize("share", [0, 0.001, 0.05, 0.0625, 0.5, 0.999, 1])
def test_masks(length: int, share: float) -> None:
    mask = np.random.default_rng(length).random(length) < share
    assert bitmap_of_mask(mask) == BitMap(np.flatnonzero(mask).tolist())


@pytest.mark.parametrize("filled", [4096, 4097])
def test_a_mask_with_empty_and_just_full_containers(filled: int) -> None:
    mask = np.zeros(4 * 65_536, np.bool_)
    mask[65_536 : 65_536 + filled] = True
    mask[3 * 65_536 :] = True
    made = bitmap_of_mask(mask)
    assert made == BitMap(np.flatnonzero(mask).tolist())
    made.add(5)
    made.remove(65_536)
    assert len(made) == filled + 65_536
    assert bitmap_bytes(made) > 8192


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**32 - 1)))
def test_there_and_back(values: list[int]) -> None:
    assert numbers_of(bitmap_of(np.array(values, np.int64))).tolist() == sorted(set(values))
