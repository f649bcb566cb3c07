"""The colours of the sample goods by name, and those of the materials they are made of."""

from random import Random

import numpy as np
import numpy.typing as npt

Colour = npt.NDArray[np.float64]
"""Shape (3,): red, green and blue, 0 to 255."""

COLOURS: dict[str, str] = {
    "red": "#c8323a",
    "burgundy": "#7c2238",
    "coral": "#ee7a63",
    "orange": "#e8812f",
    "mustard": "#d6a52c",
    "yellow": "#f0cf4f",
    "olive": "#7d8140",
    "green": "#3f9150",
    "forest": "#235340",
    "mint": "#93d3b6",
    "teal": "#1f8a8c",
    "sky": "#7fbce6",
    "blue": "#3166bf",
    "navy": "#22305c",
    "violet": "#6a49a8",
    "lilac": "#b9a3db",
    "pink": "#eda0bb",
    "rose": "#cf5681",
    "brown": "#7d5236",
    "sand": "#d5bd94",
    "ivory": "#f1eadb",
    "grey": "#9299a1",
    "charcoal": "#3b3f47",
}

MATERIALS: dict[str, str] = {
    "wood": "#a9764a",
    "dark_wood": "#6b4630",
    "leather": "#8a5a3a",
    "metal": "#b4b9c0",
    "brass": "#c7a24e",
    "rubber": "#f2efe8",
    "black": "#26262b",
    "white": "#fbfaf6",
    "soil": "#4b372b",
    "leaf": "#4d8f4f",
    "dark_leaf": "#2f6b43",
    "light": "#fff3cf",
    "shadow": "#1d1a22",
}

BACKGROUNDS: tuple[str, ...] = ("#f3f1ec", "#e9edf0", "#f0e9e2", "#e6ece6", "#efe7ec", "#e4e6ec", "#ddd9d2", "#f7f5f1")

INK, CREAM = "#2b2a33", "#f6f0e2"


def rgb(hex_colour: str) -> Colour:
    """The colour of `#rrggbb`."""
    return np.array([int(hex_colour[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.float64)


def lightness(colour: Colour) -> float:
    """How light a colour looks, 0 to 1: its luma (ITU-R BT.601)."""
    return float(colour @ np.array([0.299, 0.587, 0.114])) / 255.0


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """`one` with that share of `other`."""
    mix: Colour = one * (1.0 - share) + other * share
    return mix


def jittered(colour: Colour, random: Random, levels: float) -> Colour:
    """The colour as another dye lot or camera would have it."""
    moved = [min(max(value + random.uniform(-levels, levels), 0.0), 255.0) for value in colour.tolist()]
    return np.array(moved)


def pattern_colour(ground: Colour, random: Random) -> Colour:
    """A colour that shows on this ground: cream, ink, or a clearly lighter or darker tone of the ground itself."""
    light = lightness(ground)
    contrast = rgb(INK) if light > 0.6 else rgb(CREAM)
    return mixed(ground, contrast, random.choice((0.62, 0.8, 0.95)))
