"""Pictures that show nothing are told apart from pictures that show little."""

import io

import numpy as np
import pytest
from PIL import Image

from embedder.decode import decode_image
from embedder.quality import check_quality
from schemas.errors import ImageRejected


def reason(pixels: np.ndarray, min_side: int = 8) -> str:
    with pytest.raises(ImageRejected) as caught:
        check_quality(pixels, min_side)
    assert caught.value.code == "image_blank"
    return caught.value.message


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 500), (500, 7)])
def test_a_side_too_short_is_said_with_the_size(height: int, width: int) -> None:
    assert f"too small: {width} x {height}" in reason(noise(height, width))


def test_the_shortest_side_allowed_passes() -> None:
    check_quality(noise(8, 8), min_side=8)


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (12, 200, 40)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_one_colour_all_over_is_blank_in_every_format(kind: str, colour: tuple[int, int, int]) -> None:
    out = io.BytesIO()
    Image.new("RGB", (50, 40), colour).save(out, kind)
    assert "all over" in reason(decode_image(out.getvalue(), 10_000))


def test_the_blank_colour_is_named() -> None:
    assert "#ff8000" in reason(np.full((20, 20, 3), (255, 128, 0), dtype=np.uint8))


@pytest.mark.parametrize(("y", "x"), [(0, 0), (5, 9), (99, 99)])
def test_a_single_other_pixel_is_something(y: int, x: int) -> None:
    pixels = np.full((100, 100, 3), 250, dtype=np.uint8)
    pixels[y, x, 1] = 240
    check_quality(pixels, min_side=8)
