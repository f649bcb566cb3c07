"""Views of a picture as users would have taken it: a part of it, mirrored, lit otherwise, out of focus.

A view is first drawn and then made, so that the same seed gives the same pixels in whatever thread or order. All is
done on uint8 pixels, around the one preprocessing: a view that changes nothing is what the stream prepares.
"""

import math
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from embedder.decode import Pixels
from embedder.preprocess import Preprocessing, preprocess_image

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Box = tuple[int, int, int, int]
ColourMap = npt.NDArray[np.float32]
"""Shape (4, 3): what red, green, blue and 1 give to each channel, in values of 0..255."""

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""ITU-R BT.601, as Pillow turns colours into grey."""


class Augmentation(msgspec.Struct, frozen=True, kw_only=True):
    """How much a view may differ from its picture; shares are probabilities unless said otherwise.

    A crop has `least_area` to 1 of the area, is up to `stretch` times wider or higher in proportion, and turned by up
    to `turn` degrees either way, its corners filled with its mean colour. Brightness, contrast and saturation are
    multiplied by up to 1 +- `colour`, each channel by up to 1 +- `tint`. `blur_radius` is the most, in pixels of the
    prepared picture. An erased box has up to `erase_area` of the area.
    """

    least_area: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.3
    stretch: Annotated[float, msgspec.Meta(ge=1, le=10)] = 1.33
    turn: Annotated[float, msgspec.Meta(ge=0, le=180)] = 15.0
    mirror: Share = 0.5
    colour: Share = 0.4
    tint: Share = 0.1
    grey: Share = 0.1
    blur: Share = 0.2
    blur_radius: Annotated[float, msgspec.Meta(ge=0, le=100)] = 1.5
    erase: Share = 0.25
    erase_area: Share = 0.2


NO_CHANGE = Augmentation(
    least_area=1.0,
    stretch=1.0,
    turn=0.0,
    mirror=0.0,
    colour=0.0,
    tint=0.0,
    grey=0.0,
    blur=0.0,
    blur_radius=0.0,
    erase=0.0,
)


class View(NamedTuple):
    """What is done to one picture; `box` is (left, upper, right, lower) in its pixels, `erased` one in the prepared
    picture's; None where nothing is."""

    box: Box
    turned: float
    mirrored: bool
    colours: ColourMap | None
    blur_radius: float
    erased: Box | None


def draw_view(chance: np.random.Generator, how: Augmentation, width: int, height: int, size: int) -> View:
    """The view of a picture of `width` x `height` pixels, to be prepared at `size`."""
    box = _crop(chance, how, width, height)
    turned = float(chance.uniform(-how.turn, how.turn))
    mirrored = bool(chance.random() < how.mirror)
    colours = _colours(chance, how)
    blurred, radius = bool(chance.random() < how.blur), float(chance.uniform(0.0, how.blur_radius))
    erased = _box(chance, chance.uniform(0.02, max(how.erase_area, 0.02)), 2.0, size, size)
    erases = bool(chance.random() < how.erase)
    return View(box, turned, mirrored, colours, radius if blurred else 0.0, erased if erases else None)


def make_view(pixels: Pixels, view: View, spec: Preprocessing) -> Pixels:
    """The view of a picture (height, width, 3), prepared: uint8 (size, size, 3)."""
    left, upper, right, lower = view.box
    prepared = preprocess_image(Image.fromarray(pixels[upper:lower, left:right]), spec)
    if view.turned:
        prepared = _turned(prepared, view.turned)
    if view.blur_radius > 0:
        prepared = np.array(Image.fromarray(prepared).filter(ImageFilter.GaussianBlur(view.blur_radius)))
    if view.colours is not None:
        mapped = prepared.astype(np.float32) @ view.colours[:3] + view.colours[3]
        prepared = np.rint(np.clip(mapped, 0.0, 255.0)).astype(np.uint8)
    if view.erased is not None:
        left, upper, right, lower = view.erased
        prepared[upper:lower, left:right] = prepared.mean(axis=(0, 1)).astype(np.uint8)
    return np.ascontiguousarray(prepared[:, ::-1]) if view.mirrored else prepared


def _turned(prepared: Pixels, degrees: float) -> Pixels:
    red, green, blue = prepared.mean(axis=(0, 1)).astype(np.uint8).tolist()
    whole = Image.fromarray(prepared)
    return np.array(whole.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=(red, green, blue)))


def _crop(chance: np.random.Generator, how: Augmentation, width: int, height: int) -> Box:
    return _box(chance, chance.uniform(how.least_area, 1.0), how.stretch, width, height)


def _box(chance: np.random.Generator, area: float, stretch: float, width: int, height: int) -> Box:
    """A box of a share of the area, anywhere in the picture."""
    wider = math.exp(chance.uniform(-1.0, 1.0) * math.log(stretch))
    share = min(math.sqrt(area * wider), 1.0)
    wide = max(1, round(max(share, area) * width))
    high = max(1, round(min(area / share, 1.0) * height))
    left, upper = int(chance.integers(0, width - wide + 1)), int(chance.integers(0, height - high + 1))
    return (left, upper, left + wide, upper + high)


def _colours(chance: np.random.Generator, how: Augmentation) -> ColourMap | None:
    """Brightness, contrast around mid-grey, saturation and a tint, or grey, as one linear map."""
    brightness, contrast, saturation = 1.0 + how.colour * chance.uniform(-1.0, 1.0, 3)
    tint = 1.0 + how.tint * chance.uniform(-1.0, 1.0, 3)
    if chance.random() < how.grey:
        saturation, tint = 0.0, np.ones(3)
    if brightness == contrast == saturation == 1.0 and (tint == 1.0).all():
        return None
    mixed = saturation * np.eye(3) + (1.0 - saturation) * np.repeat(_LUMA[:, None], 3, axis=1)
    linear = mixed * tint * brightness * contrast
    offset = np.full((1, 3), 127.5 * (1.0 - contrast))
    return np.concatenate([linear, offset]).astype(np.float32)
