"""The picture of a sample item: its design's shape, trim and print, in a pose and light of its own."""

import math
from random import Random
from typing import NamedTuple

import numpy as np
from PIL import Image

from ops.sample.canvas import Canvas, Matrix, Pixels
from ops.sample.goods_for_home import HOME
from ops.sample.goods_to_wear import WEAR
from ops.sample.item import KINDS, SampleItem
from ops.sample.palette import (
    BACKGROUNDS,
    COLOURS,
    CREAM,
    INK,
    MATERIALS,
    Colour,
    jittered,
    lightness,
    mixed,
    pattern_colour,
    rgb,
)
from ops.sample.patterns import PATTERNS

PICTURE_SIDE = 288
_QUALITY = 88


class _Design(NamedTuple):
    """What every item of a design shares; see `_design`."""

    stretch: tuple[float, float]
    trim: Colour
    inks: tuple[Colour, Colour, Colour]
    print_scale: float


def save_picture(item: SampleItem, seed: int) -> None:
    """Draw an item's picture and write it as JPEG to its path."""
    draw_picture(item, seed).save(item.path, "JPEG", quality=_QUALITY, subsampling=0)


def draw_picture(item: SampleItem, seed: int) -> Image.Image:
    """The picture of an item, PICTURE_SIDE pixels square; the same for the same item, file name and seed."""
    parts = {**WEAR, **HOME}[item.category]
    kind = KINDS[item.category]
    shot = Random(f"{seed}/{item.path.name}/shot")  # noqa: S311 - a drawing, not a secret
    ground = jittered(rgb(COLOURS[item.color]), shot, 7.0)
    design = _design(Random(f"{seed}/{item.group_id}/shape"), ground)  # noqa: S311
    matrix = _pose(shot, design.stretch, 2.0 if kind.stands else 7.0)
    light = math.radians(shot.uniform(215.0, 300.0))
    canvas = Canvas(_background(shot, ground, kind.stands), matrix, light)
    canvas.cast_shadow(parts, kind.stands)
    prints = PATTERNS[item.pattern](design.print_scale, shot)
    paints: dict[str, Colour | Pixels] = {
        "main": canvas.print_of(ground, design.inks, prints),
        "plain": ground,
        "trim": design.trim,
    }
    for part in parts:
        canvas.paint(part, paints[part.paint] if part.paint in paints else rgb(MATERIALS[part.paint]))
    return _exposed(canvas, shot)


def _design(random: Random, ground: Colour) -> _Design:
    """Drawn from the design's own generator, in a fixed order, so that its items share all but their ground colour."""
    stretch = (random.uniform(0.93, 1.05), random.uniform(0.93, 1.05))
    printed = pattern_colour(ground, random)
    accent = rgb(COLOURS[random.choice(("coral", "mustard", "sky", "rose", "mint"))])
    cream, ink = mixed(ground, rgb(CREAM), 0.85), mixed(ground, rgb(INK), 0.75)
    tonal = mixed(ground, rgb(INK), 0.32) if lightness(ground) > 0.3 else mixed(ground, rgb(CREAM), 0.3)
    trim = random.choice((tonal, tonal, cream if lightness(ground) < 0.7 else ink, ink, accent))
    return _Design(stretch, trim, (printed, accent, mixed(ground, printed, 0.5)), random.uniform(0.85, 1.25))


def _pose(random: Random, stretch: tuple[float, float], most_degrees: float) -> Matrix:
    """From the square of 100 x 100 to pixels: turned, leaning, sized and moved a little."""
    scale = PICTURE_SIDE / 100.0 * random.uniform(0.82, 0.91)
    turn = math.radians(random.uniform(-most_degrees, most_degrees))
    lean = random.uniform(-0.03, 0.03)
    cos, sin = math.cos(turn), math.sin(turn)
    shape = np.array([[cos, -sin], [sin, cos]]) @ np.array([[stretch[0], lean], [0.0, stretch[1]]]) * scale
    middle = np.array([random.uniform(-0.025, 0.025) + 0.5, random.uniform(-0.025, 0.025) + 0.5]) * PICTURE_SIDE
    return np.column_stack([shape, middle - shape @ np.array([50.0, 50.0])])


def _background(random: Random, ground: Colour, floor: bool) -> Pixels:
    """A pale wall, darker towards one side; under standing goods it meets a floor. Pale goods get a deeper wall."""
    wall = jittered(rgb(random.choice(BACKGROUNDS)), random, 4.0)
    if lightness(ground) > 0.75:
        wall = wall * 0.86
    angle = random.uniform(0.0, 2 * math.pi)
    along = np.linspace(-0.5, 0.5, PICTURE_SIDE, dtype=np.float32)
    slope = along[None, :] * math.cos(angle) + along[:, None] * math.sin(angle)
    shades = 1.0 + 0.07 * slope
    if floor:
        horizon = random.uniform(0.74, 0.8)
        depth = np.clip((along + 0.5 - horizon) / 0.012, 0.0, 1.0)
        shades = shades * (1.0 - 0.055 * depth)[:, None]
    return (shades[..., None] * wall).astype(np.float32)


def _exposed(canvas: Canvas, random: Random) -> Image.Image:
    """The finished picture as a camera would have it: a little brighter or darker, warmer or cooler, with grain."""
    warmth = random.uniform(-0.018, 0.018)
    tint = np.array([1.0 + warmth, 1.0, 1.0 - warmth], dtype=np.float32)
    canvas.pixels *= tint * np.float32(random.uniform(0.94, 1.04))
    grain = np.random.default_rng(random.getrandbits(64)).standard_normal((PICTURE_SIDE, PICTURE_SIDE, 1), np.float32)
    canvas.pixels += grain * 1.6
    return canvas.image()
