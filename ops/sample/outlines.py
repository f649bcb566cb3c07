"""Outlines: the small language in which the sample goods' shapes are written.

Coordinates lie in a square of 100 x 100, y downwards. Commands, as in SVG's path data: `M x y` starts, `L x y` goes
straight, `Q cx cy x y` and `C ax ay bx by x y` are Bézier curves; each may repeat its numbers. `E cx cy rx ry` is a
whole ellipse, `R x y width height radius` a whole rounded rectangle.
"""

import functools
import math
import re
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
"""Shape (n, 2): x and y."""

Symmetry = Literal["", "half", "twice"]
"""How a path meets its mirror image at x = 50: not at all, as the other half of one outline, or as a second outline."""

_TOKEN = re.compile(r"[A-Z]|-?\d+(?:\.\d+)?")
_NUMBERS = {"M": 2, "L": 2, "Q": 4, "C": 6, "E": 4, "R": 5}
_CURVE_STEPS = 12
_ELLIPSE_STEPS = 48


class Part(NamedTuple):
    """One piece of a drawn good.

    `paint` is `main` (the pattern), `plain` (its ground colour), `trim`, or a material of the palette. `shade` lightens
    or darkens it, `line` above 0 draws the path as a stroke of that width, `alpha` lets what lies below show through,
    and `round` says how strongly the light models it.
    """

    path: str
    paint: str = "main"
    symmetry: Symmetry = ""
    shade: float = 0.0
    line: float = 0.0
    alpha: float = 1.0
    round: float = 1.0


@functools.lru_cache(maxsize=1024)
def outlines(path: str, symmetry: Symmetry) -> tuple[Points, ...]:
    """The outlines of a path, mirrored as its symmetry says; ValueError on a path that cannot be read."""
    outline = np.array(_points(path))
    if not symmetry:
        return (outline,)
    mirrored = outline * np.array([-1.0, 1.0]) + np.array([100.0, 0.0])
    if symmetry == "twice":
        return (outline, mirrored)
    return (np.concatenate([outline, mirrored[::-1]]),)


def _points(path: str) -> list[tuple[float, float]]:
    points: list[tuple[float, float]] = []
    for command, numbers in _commands(path):
        points.extend(_SEGMENTS[command](points, numbers))
    return points


def _commands(path: str) -> Iterator[tuple[str, list[float]]]:
    tokens = _TOKEN.findall(path)
    at = 0
    command = ""
    while at < len(tokens):
        if tokens[at].isalpha():
            command, at = tokens[at], at + 1
        size = _NUMBERS[command]
        numbers = [float(token) for token in tokens[at : at + size]]
        if len(numbers) < size:
            raise ValueError(f"{command} takes {size} numbers: {path}")
        yield command, numbers
        at += size


def _point(points: list[tuple[float, float]], n: list[float]) -> list[tuple[float, float]]:
    return [(n[0], n[1])]


def _quadratic(points: list[tuple[float, float]], n: list[float]) -> list[tuple[float, float]]:
    x, y = points[-1]
    third = 2 / 3
    cubic = [x + third * (n[0] - x), y + third * (n[1] - y)]
    cubic += [n[2] + third * (n[0] - n[2]), n[3] + third * (n[1] - n[3]), n[2], n[3]]
    return _cubic(points, cubic)


def _cubic(points: list[tuple[float, float]], n: list[float]) -> list[tuple[float, float]]:
    x, y = points[-1]
    curve = []
    for step in range(1, _CURVE_STEPS + 1):
        t = step / _CURVE_STEPS
        s = 1 - t
        a, b, c, d = s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t
        curve.append((a * x + b * n[0] + c * n[2] + d * n[4], a * y + b * n[1] + c * n[3] + d * n[5]))
    return curve


def _ellipse(points: list[tuple[float, float]], n: list[float]) -> list[tuple[float, float]]:
    return _arc(n[0], n[1], n[2], n[3], 0.0, 2 * math.pi, _ELLIPSE_STEPS)


def _rectangle(points: list[tuple[float, float]], n: list[float]) -> list[tuple[float, float]]:
    x, y, width, height, radius = n
    radius = min(radius, width / 2, height / 2)
    quarter = math.pi / 2
    corners = [
        (x + width - radius, y + height - radius),
        (x + radius, y + height - radius),
        (x + radius, y + radius),
        (x + width - radius, y + radius),
    ]
    turned = [_arc(cx, cy, radius, radius, i * quarter, (i + 1) * quarter, 6) for i, (cx, cy) in enumerate(corners)]
    return [point for arc in turned for point in arc]


def _arc(cx: float, cy: float, rx: float, ry: float, start: float, end: float, steps: int) -> list[tuple[float, float]]:
    angles = [start + (end - start) * i / steps for i in range(steps + 1)]
    return [(cx + rx * math.cos(angle), cy + ry * math.sin(angle)) for angle in angles]


_Segment = Callable[[list[tuple[float, float]], list[float]], list[tuple[float, float]]]
_SEGMENTS: dict[str, _Segment] = {
    "M": _point,
    "L": _point,
    "Q": _quadratic,
    "C": _cubic,
    "E": _ellipse,
    "R": _rectangle,
}
