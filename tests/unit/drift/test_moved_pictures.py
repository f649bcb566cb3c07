"""Pictures that come blurred, grey, turned or of other things are found within 500, through a model."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

from embedder.models.fake import FakeEncoder
from schemas.drift_records import DriftView

CALM, MOVED, SIDE = 1200, 500, 32


def garment(rng: np.random.Generator, *, trousers: bool = False) -> Image.Image:
    """One thing on a light ground: a top with sleeves, its hem darker, or trousers."""
    pixels = np.full((SIDE, SIDE, 3), rng.integers(210, 250), np.int64)
    colour = rng.integers(20, 200, 3)
    shade = np.linspace(1.0, 0.5, SIDE)[:, None, None]
    left, right = rng.integers(6, 11), rng.integers(21, 27)
    painted = (colour * shade * np.ones((SIDE, SIDE, 1))).astype(np.int64)
    mask = np.zeros((SIDE, SIDE), bool)
    if trousers:
        middle = (left + right) // 2
        mask[3:30, left : middle - 1] = mask[3:30, middle + 1 : right] = True
    else:
        mask[6 : rng.integers(20, 26), left:right] = True
        mask[6 : rng.integers(10, 14), 2:30] = True
    pixels[mask] = painted[mask]
    noisy = pixels + rng.integers(-8, 9, pixels.shape)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "blurred": lambda picture: picture.filter(ImageFilter.GaussianBlur(5)),
    "grey": lambda picture: ImageOps.grayscale(picture).convert("RGB"),
    "turned": lambda picture: picture.rotate(90),
}


def encoded(pictures: list[Image.Image]) -> tuple[np.ndarray, np.ndarray]:
    made = FakeEncoder().encode(np.stack([np.asarray(picture) for picture in pictures]))
    return made.vectors, made.norms


@pytest.fixture(scope="module")
def calm() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return encoded([garment(rng) for _ in range(CALM)])


def moved(how: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    if how == "other things":
        return encoded([garment(rng, trousers=True) for _ in range(MOVED)])
    return encoded([CHANGES[how](garment(rng)) for _ in range(MOVED)])


@pytest.mark.parametrize("how", [*CHANGES, "other things"])
def test_found_within_500(how: str, calm: tuple[np.ndarray, np.ndarray], watched: Callable[..., Any]) -> None:
    worker = watched(FakeEncoder.dimension, view=DriftView())
    looks = worker.feed(*calm)
    assert not [look for look in looks if look.judgement.alarms]
    assert looks[-1].judgement.state == "calm"
    found = [look.items for look in worker.feed(*moved(how)) if "dimensions" in look.judgement.alarms]
    assert found
    assert found[0] <= MOVED
    assert found[-1] == MOVED
