"""Variants of a picture are what they say, and the same for the same seed."""

import io
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from embedder.evaluation.variants import VARIANTS, crop, variant

PIXELS = np.random.default_rng(5).integers(0, 256, size=(90, 120, 3), dtype=np.uint8)


def opened(name: str, seed: str = "1/a") -> Image.Image:
    return Image.open(io.BytesIO(variant(PIXELS, name, seed)))


@given(seed=st.integers(0, 10_000), width=st.integers(40, 400), height=st.integers(40, 400))
def test_a_crop_keeps_60_to_90_percent_of_the_area(seed: int, width: int, height: int) -> None:
    cut = crop(Image.new("RGB", (width, height)), Random(seed))
    rounding = 0.5 / width + 0.5 / height + 0.01
    assert 0.6 - rounding <= cut.width * cut.height / (width * height) <= 0.9 + rounding


@pytest.mark.parametrize("name", VARIANTS)
def test_the_same_seed_makes_the_same_bytes(name: str) -> None:
    assert variant(PIXELS, name, "1/a") == variant(PIXELS, name, "1/a")


def test_another_seed_crops_elsewhere() -> None:
    assert len({variant(PIXELS, "crop", f"{seed}/a") for seed in range(5)}) > 1


def test_each_variant_is_what_its_name_says() -> None:
    assert (np.asarray(opened("mirror")) == PIXELS[:, ::-1]).all()
    assert opened("JPEG 40").format == "JPEG"
    assert opened("JPEG 40").size == (120, 90)
    assert np.asarray(opened("darker")).mean() == pytest.approx(0.6 * PIXELS.mean(), rel=0.02)
    assert np.asarray(opened("brighter")).mean() > 1.1 * PIXELS.mean()
