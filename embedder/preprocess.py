"""Preprocessing: from decoded pixels to what a model takes, the same code for catalogue pictures and queries."""

import math
from typing import Literal

import msgspec
import numpy as np
from PIL import Image

from embedder.decode import Pixels
from schemas.errors import InputError
from schemas.queries import Crop

Resize = Literal["squash", "centre", "letterbox"]
Interpolation = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]

_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_REDUCING_GAP = 3.0
"""Pillow's word for "first shrink by whole factors"; from 3 on the result is as good as without."""

_EDGE = 1e-6
"""How far past the edge a crop may reach by rounding of its fractions."""


class Preprocessing(msgspec.Struct, frozen=True, kw_only=True):
    """How a model wants its pictures; part of the model's fingerprint.

    `squash` stretches the picture to a square, `centre` keeps the square in its middle, `letterbox` keeps all of it on
    white. `crop_share` is the share of the side that is kept by `squash` and `centre` (timm's `crop_pct`). `mean` and
    `std` are per channel, of values in 0..1, and applied by the model.
    """

    size: int
    resize: Resize = "squash"
    interpolation: Interpolation = "bilinear"
    crop_share: float = 1.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


def preprocess(pixels: Pixels, spec: Preprocessing, crop: Crop | None = None) -> Pixels:
    """The part of the picture that `crop` names, as uint8 RGB of shape (spec.size, spec.size, 3).

    A crop is prepared exactly as a picture of that part alone would be.

    Raises:
        InputError: the crop is not inside the picture.
    """
    left, upper, right, lower = crop_box(pixels.shape[1], pixels.shape[0], crop)
    return preprocess_image(Image.fromarray(pixels[upper:lower, left:right]), spec)


def preprocess_image(image: Image.Image, spec: Preprocessing) -> Pixels:
    """The same of a whole RGB picture as Pillow has it."""
    if spec.resize == "letterbox":
        return np.array(_letterboxed(image, spec))
    return np.array(_resized(image, (spec.size, spec.size), spec, box=_centre_of(image, spec)))


def check_crop(crop: Crop) -> None:
    """Passes a crop that lies inside the picture.

    Raises:
        InputError: a fraction is not a number, or the crop is empty or reaches out of the picture.
    """
    inside = (
        crop.x >= 0
        and crop.y >= 0
        and crop.width > 0
        and crop.height > 0
        and crop.x + crop.width <= 1 + _EDGE
        and crop.y + crop.height <= 1 + _EDGE
    )
    if not inside:
        raise InputError(
            "a crop needs 0 <= x, 0 <= y, width > 0, height > 0, x + width <= 1 and y + height <= 1",
            crop=msgspec.to_builtins(crop),
        )


def crop_box(width: int, height: int, crop: Crop | None) -> tuple[int, int, int, int]:
    """The crop in whole pixels as (left, upper, right, lower), inside the picture and at least one pixel each way.

    Raises:
        InputError: the crop is not inside the picture.
    """
    if crop is None:
        return (0, 0, width, height)
    check_crop(crop)
    left, right = _span(crop.x, crop.width, width)
    upper, lower = _span(crop.y, crop.height, height)
    return (left, upper, right, lower)


def draft_side(spec: Preprocessing, crop: Crop | None, min_side: int) -> int:
    """Pixels the shorter side of the decoded picture needs, so that what the model sees is still shrunk twofold.

    Raises:
        InputError: the crop is not inside the picture.
    """
    share = 1.0
    if crop is not None:
        check_crop(crop)
        share = min(crop.width, crop.height, 1.0)
    return max(min_side, math.ceil(min(2 * spec.size / share, 65535)))


def _span(start: float, length: float, side: int) -> tuple[int, int]:
    first = min(round(start * side), side - 1)
    return first, max(first + 1, min(round((start + length) * side), side))


def _centre_of(image: Image.Image, spec: Preprocessing) -> tuple[float, float, float, float]:
    """As timm does it: resize to size / crop_share, rounded down, then cut the centre; here in one step."""
    share = spec.size / math.floor(spec.size / spec.crop_share)
    wide, high = image.width * share, image.height * share
    if spec.resize == "centre":
        wide = high = min(wide, high)
    x, y = (image.width - wide) / 2, (image.height - high) / 2
    return (x, y, min(x + wide, image.width), min(y + high, image.height))


def _letterboxed(image: Image.Image, spec: Preprocessing) -> Image.Image:
    scale = spec.size / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    square = Image.new("RGB", (spec.size, spec.size), (255, 255, 255))
    square.paste(_resized(image, size, spec), ((spec.size - size[0]) // 2, (spec.size - size[1]) // 2))
    return square


def _resized(
    image: Image.Image, size: tuple[int, int], spec: Preprocessing, box: tuple[float, float, float, float] | None = None
) -> Image.Image:
    return image.resize(size, _RESAMPLING[spec.interpolation], box=box, reducing_gap=_REDUCING_GAP)
