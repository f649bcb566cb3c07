"""Patterns: what is printed on the sample goods, as shapes in the goods' own coordinates."""

import math
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

import numpy as np

from ops.sample.outlines import Points

LOW, HIGH = 0.0, 100.0
"""A pattern covers the square in which the goods are drawn; it is turned and moved with them."""


class Print(NamedTuple):
    """One printed shape: `ink` 0 is the pattern's colour, 1 its accent, 2 half-way between ground and pattern."""

    outline: Points
    ink: int = 0


Pattern = Callable[[float, Random], Iterator[Print]]
"""Draws itself at a scale (1 is usual), with a random offset."""


def plain(scale: float, random: Random) -> Iterator[Print]:
    """Nothing."""
    return iter(())


def stripes(scale: float, random: Random) -> Iterator[Print]:
    """Bands across."""
    for y in _steps(9.0 * scale, random):
        yield Print(_box(LOW, y, HIGH, y + 4.2 * scale))


def pinstripes(scale: float, random: Random) -> Iterator[Print]:
    """Thin lines down."""
    for x in _steps(5.2 * scale, random):
        yield Print(_box(x, LOW, x + 1.3 * scale, HIGH))


def dots(scale: float, random: Random) -> Iterator[Print]:
    """Round dots, every other row moved by half a step."""
    for row, y in enumerate(_steps(6.5 * scale, random)):
        for x in _steps(9.5 * scale, random, 4.75 * scale * (row % 2)):
            yield Print(_circle(x, y, 2.2 * scale, 16))


def checks(scale: float, random: Random) -> Iterator[Print]:
    """Gingham: bands both ways, full where they cross."""
    step, width = 9.0 * scale, 4.5 * scale
    columns, rows = list(_steps(step, random)), list(_steps(step, random))
    for y in rows:
        yield Print(_box(LOW, y, HIGH, y + width), 2)
    for x in columns:
        yield Print(_box(x, LOW, x + width, HIGH), 2)
    for y in rows:
        for x in columns:
            yield Print(_box(x, y, x + width, y + width))


def chevrons(scale: float, random: Random) -> Iterator[Print]:
    """Zigzag bands across."""
    half, rise, width = 6.0 * scale, 5.5 * scale, 4.0 * scale
    corners = np.arange(LOW, HIGH + half, half)
    heights = np.where(np.arange(len(corners)) % 2 == 0, 0.0, rise)
    for y in _steps(9.0 * scale, random):
        above = np.stack([corners, y + heights], axis=1)
        yield Print(np.concatenate([above, above[::-1] + np.array([0.0, width])]))


def argyle(scale: float, random: Random) -> Iterator[Print]:
    """Diamonds, every other row moved, with thin crossing lines."""
    wide, high = 12.0 * scale, 16.0 * scale
    for row, y in enumerate(_steps(high / 2, random)):
        for x in _steps(wide, random, wide / 2 * (row % 2)):
            yield Print(_diamond(x, y, wide * 0.42, high * 0.42), row % 2 * 2)


def floral(scale: float, random: Random) -> Iterator[Print]:
    """Flowers of five petals, each turned and sized a little differently, with leaves between them."""
    for row, y in enumerate(_steps(11.0 * scale, random)):
        for x in _steps(13.0 * scale, random, 6.5 * scale * (row % 2)):
            cx, cy = x + random.uniform(-1.2, 1.2) * scale, y + random.uniform(-1.2, 1.2) * scale
            size, turn = random.uniform(2.1, 2.8) * scale, random.uniform(0.0, math.pi)
            yield Print(_leaf(cx, cy, size * 2.6, turn + 0.6), 2)
            for petal in range(5):
                angle = turn + petal * 2 * math.pi / 5
                yield Print(_circle(cx + size * math.cos(angle), cy + size * math.sin(angle), size * 0.82, 12))
            yield Print(_circle(cx, cy, size * 0.62, 12), 1)


def stars(scale: float, random: Random) -> Iterator[Print]:
    """Five-pointed stars, every other row moved by half a step."""
    for row, y in enumerate(_steps(9.0 * scale, random)):
        for x in _steps(12.0 * scale, random, 6.0 * scale * (row % 2)):
            yield Print(_star(x, y, 3.6 * scale))


PATTERNS: dict[str, Pattern] = {
    "plain": plain,
    "stripes": stripes,
    "pinstripes": pinstripes,
    "dots": dots,
    "checks": checks,
    "chevrons": chevrons,
    "argyle": argyle,
    "floral": floral,
    "stars": stars,
}


def _steps(step: float, random: Random, offset: float | None = None) -> Iterator[float]:
    """Places a step apart; without an offset, the first one lies anywhere within a step."""
    at = LOW + (random.uniform(-step, 0.0) if offset is None else offset - step)
    while at < HIGH:
        yield at
        at += step


def _box(left: float, top: float, right: float, bottom: float) -> Points:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def _circle(x: float, y: float, radius: float, steps: int) -> Points:
    angles = np.arange(steps) * (2 * math.pi / steps)
    return np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)


def _diamond(x: float, y: float, half_width: float, half_height: float) -> Points:
    return np.array([(x, y - half_height), (x + half_width, y), (x, y + half_height), (x - half_width, y)])


def _star(x: float, y: float, radius: float) -> Points:
    angles = np.arange(10) * (math.pi / 5) - math.pi / 2
    radii = np.where(np.arange(10) % 2 == 0, radius, radius * 0.42)
    return np.stack([x + radii * np.cos(angles), y + radii * np.sin(angles)], axis=1)


def _leaf(x: float, y: float, length: float, angle: float) -> Points:
    along = np.linspace(0.0, 1.0, 8)
    width = np.sin(along * math.pi) * length * 0.16
    ahead, aside = np.concatenate([along, along[::-1]]) * length, np.concatenate([width, -width[::-1]])
    cos, sin = math.cos(angle), math.sin(angle)
    return np.stack([x + ahead * cos - aside * sin, y + ahead * sin + aside * cos], axis=1)
