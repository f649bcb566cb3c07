"""Variants of a photograph as its users make them: cropped, mirrored, compressed, lit otherwise."""

import io
import math
from collections.abc import Callable
from random import Random

from PIL import Image, ImageEnhance

from embedder.decode import Pixels

Change = Callable[[Image.Image, Random], Image.Image]

LEAST_AREA, MOST_AREA = 0.6, 0.9
MOST_STRETCH = 1.25
"""How much wider or higher a crop may be than the photograph, in proportion."""

DARK, BRIGHT = 0.6, 1.4
LOW_QUALITY = 40
_FAST = 1
"""zlib's level for pictures that are decoded once; kept without loss, so only the change itself counts."""


def crop(image: Image.Image, chance: Random) -> Image.Image:
    """A part of 60 to 90 % of the area anywhere in the picture, somewhat wider or higher in proportion."""
    area = chance.uniform(LEAST_AREA, MOST_AREA)
    stretch = math.exp(chance.uniform(-1, 1) * math.log(MOST_STRETCH))
    share = min(math.sqrt(area * stretch), 1.0)
    wide = round(max(share, area) * image.width)
    high = round(min(area / share, 1.0) * image.height)
    left, top = chance.randint(0, image.width - wide), chance.randint(0, image.height - high)
    return image.crop((left, top, left + wide, top + high))


def mirror(image: Image.Image, chance: Random) -> Image.Image:
    """Left and right exchanged."""
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def darken(image: Image.Image, chance: Random) -> Image.Image:
    """At 0.6 of its brightness."""
    return ImageEnhance.Brightness(image).enhance(DARK)


def brighten(image: Image.Image, chance: Random) -> Image.Image:
    """At 1.4 of its brightness; what was bright already becomes white."""
    return ImageEnhance.Brightness(image).enhance(BRIGHT)


def unchanged(image: Image.Image, chance: Random) -> Image.Image:
    """As it is, for what only the file does to it."""
    return image


VARIANTS: dict[str, Change] = {
    "crop": crop,
    "mirror": mirror,
    "JPEG 40": unchanged,
    "darker": darken,
    "brighter": brighten,
}


def variant(pixels: Pixels, name: str, seed: str) -> bytes:
    """The encoded variant of a decoded picture (height, width, 3) uint8; the same seed makes the same one."""
    changed = VARIANTS[name](Image.fromarray(pixels), Random(f"{seed}/{name}"))  # noqa: S311  no secret
    buffer = io.BytesIO()
    if name == "JPEG 40":
        changed.save(buffer, "JPEG", quality=LOW_QUALITY)
    else:
        changed.save(buffer, "PNG", compress_level=_FAST)
    return buffer.getvalue()
