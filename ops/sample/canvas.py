"""The canvas: outlines to antialiased, softly lit pixels."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from ops.sample.outlines import Part, Points, outlines
from ops.sample.palette import Colour
from ops.sample.patterns import Print

Pixels = npt.NDArray[np.float32]
Mask = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]
"""Shape (2, 3): from a good's coordinates to pixels."""

_OVERSAMPLING = 4
_BEVEL = 0.034
"""Radius of the blur that makes a flat outline look modelled, as a share of the canvas."""
_RELIEF, _RIM = 0.85, 0.30
_SHADOW_BLUR, _SHADOW_DEPTH = 0.028, 0.42


class Box(NamedTuple):
    """Pixels from left to right and from top to bottom, the last ones excluded."""

    left: int
    top: int
    right: int
    bottom: int

    def of(self, pixels: Pixels) -> Pixels:
        """The view of these pixels that lies inside."""
        return pixels[self.top : self.bottom, self.left : self.right]


class Canvas:
    """A square picture in the making: background first, then the good's shadow, then its parts from back to front.

    `pixels` has shape (size, size, 3), values 0 to 255. `light` is where the light comes from, in radians from the
    right, counted clockwise.
    """

    def __init__(self, background: Pixels, matrix: Matrix, light: float) -> None:
        self.pixels = background
        self._matrix = matrix
        self._size = background.shape[0]
        self._scale = math.sqrt(abs(float(np.linalg.det(matrix[:, :2]))))
        self._light = (math.cos(light), math.sin(light))

    def cast_shadow(self, parts: Iterable[Part], stands: bool) -> None:
        """Darken what lies behind the parts; a good that stands also gets the ground it stands on."""
        big = Image.new("L", (self._size * 2, self._size * 2))
        pen = ImageDraw.Draw(big)
        for part in parts:
            for outline in outlines(part.path, part.symmetry):
                _stroke_or_fill(pen, self._placed(outline) * 2, part.line * self._scale * 2)
        whole = big.reduce(2)
        distance = self._size * 0.022
        moved = whole.transform(
            whole.size, Image.Transform.AFFINE, (1, 0, self._light[0] * distance, 0, 1, self._light[1] * distance)
        )
        if stands:
            moved = _ground_shadow(whole, moved)
        soft = moved.filter(ImageFilter.GaussianBlur(self._size * _SHADOW_BLUR))
        self.pixels *= 1.0 - _SHADOW_DEPTH * (np.asarray(soft, dtype=np.float32) / 255.0)[..., None]

    def print_of(self, ground: Colour, inks: tuple[Colour, Colour, Colour], prints: Iterable[Print]) -> Pixels:
        """The whole canvas covered with a pattern, shape (size, size, 3)."""
        oversampling = 3
        side = self._size * oversampling
        cloth = Image.new("RGB", (side, side), _tuple(ground))
        pen, fills = ImageDraw.Draw(cloth), [_tuple(ink) for ink in inks]
        for shape in prints:
            pen.polygon((self._placed(shape.outline) * oversampling).reshape(-1).tolist(), fill=fills[shape.ink])
        return np.asarray(cloth.reduce(oversampling), dtype=np.float32)

    def paint(self, part: Part, paint: Colour | Pixels) -> None:
        """Lay one part over what is there: in one colour of shape (3,), or with a print of the whole canvas."""
        for outline in outlines(part.path, part.symmetry):
            placed = self._placed(outline)
            width = part.line * self._scale
            box = self._box(placed, width)
            if box is None:
                continue
            mask = _mask(placed, width, box)
            colour = paint.astype(np.float32) if paint.ndim == 1 else box.of(np.asarray(paint, dtype=np.float32))
            lit = np.clip(colour * (1.0 + part.shade) * self._modelled(mask, part)[..., None], 0.0, 255.0)
            under = box.of(self.pixels)
            under += (lit - under) * (mask * part.alpha)[..., None]

    def image(self) -> Image.Image:
        """The finished picture."""
        return Image.fromarray(np.clip(np.rint(self.pixels), 0, 255).astype(np.uint8))

    def _placed(self, outline: Points) -> Points:
        placed: Points = outline @ self._matrix[:, :2].T + self._matrix[:, 2]
        return placed

    def _box(self, placed: Points, width: float) -> Box | None:
        margin = width / 2 + 2
        low, high = placed.min(axis=0) - margin, placed.max(axis=0) + margin
        left, top = max(int(low[0]), 0), max(int(low[1]), 0)
        right, bottom = min(math.ceil(high[0]), self._size), min(math.ceil(high[1]), self._size)
        return Box(left, top, right, bottom) if right > left and bottom > top else None

    def _modelled(self, mask: Mask, part: Part) -> Mask:
        """Factors around 1: towards the light brighter, away from it darker, and a thin dark rim."""
        if part.round == 0.0:
            return np.ones_like(mask)
        margin = math.ceil(self._size * _BEVEL * 2)
        flat = Image.fromarray(np.rint(np.pad(mask, margin) * 255).astype(np.uint8))
        soft = np.asarray(flat.filter(ImageFilter.GaussianBlur(self._size * _BEVEL)), dtype=np.float32) / 255.0
        along_y, along_x = np.gradient(soft)
        relief = -(along_x * self._light[0] + along_y * self._light[1]) * self._size * _BEVEL
        thin = np.asarray(flat.filter(ImageFilter.GaussianBlur(self._size * 0.006)), dtype=np.float32) / 255.0
        factors: Mask = 1.0 + part.round * (_RELIEF * relief - _RIM * (1.0 - thin))
        inner = factors[margin:-margin, margin:-margin]
        return inner.clip(0.35, 1.6)


def _mask(placed: Points, width: float, box: Box) -> Mask:
    """How much of each pixel of the box an outline covers, 0 to 1."""
    size = ((box.right - box.left) * _OVERSAMPLING, (box.bottom - box.top) * _OVERSAMPLING)
    big = Image.new("L", size)
    _stroke_or_fill(ImageDraw.Draw(big), (placed - (box.left, box.top)) * _OVERSAMPLING, width * _OVERSAMPLING)
    return np.asarray(big.reduce(_OVERSAMPLING), dtype=np.float32) / 255.0


def _stroke_or_fill(pen: ImageDraw.ImageDraw, placed: Points, width: float) -> None:
    flat = placed.reshape(-1).tolist()
    if width <= 0.0:
        pen.polygon(flat, fill=255)
        return
    pen.line(flat, fill=255, width=max(round(width), 1), joint="curve")
    radius = width / 2
    for x, y in (placed[0].tolist(), placed[-1].tolist()):
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)


def _ground_shadow(whole: Image.Image, moved: Image.Image) -> Image.Image:
    """The shadow of a standing good: mostly where it touches the ground."""
    bounds = whole.getbbox()
    if bounds is None:
        return moved
    left, _, right, bottom = bounds
    half, depth = (right - left) * 0.5, whole.size[1] * 0.03
    ground = moved.point(lambda level: level // 2)
    centre = (left + right) / 2
    ImageDraw.Draw(ground).ellipse((centre - half, bottom - depth, centre + half, bottom + depth * 0.8), fill=255)
    return ground


def _tuple(colour: Colour) -> tuple[int, int, int]:
    red, green, blue = (round(value) for value in colour.tolist())
    return red, green, blue
