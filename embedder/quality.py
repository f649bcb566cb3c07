"""Quality: pictures that decode but show nothing to be found by."""

import numpy as np

from embedder.decode import Pixels
from schemas.errors import ImageRejected

FLAT_RANGE = 8
"""Levels per channel within which a picture counts as one colour; lossy WebP strays by up to 6 from a plain one."""

_SAMPLE_STEP = 17


def check_quality(pixels: Pixels, min_side: int) -> None:
    """Passes pictures that show something.

    Raises:
        ImageRejected: `image_blank` for a shorter side under `min_side` pixels, or one colour all over.
    """
    height, width = pixels.shape[:2]
    if min(width, height) < min_side:
        raise ImageRejected(
            f"the picture is too small: {width} x {height} pixels, its shorter side must have {min_side}",
            code="image_blank",
            width=width,
            height=height,
        )
    if _is_flat(pixels[::_SAMPLE_STEP, ::_SAMPLE_STEP]) and _is_flat(pixels):
        colour = "#" + pixels[0, 0].tobytes().hex()
        raise ImageRejected(f"the picture is blank: {colour} all over", code="image_blank", colour=colour)


def _is_flat(pixels: Pixels) -> bool:
    flat = pixels.reshape(-1, 3)
    return bool(np.all(flat.max(axis=0) - flat.min(axis=0) <= FLAT_RANGE))
