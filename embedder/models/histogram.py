"""The honest baseline: what a picture's colours and edges are and where, without anything learnt.

Edges are histograms of oriented gradients (Dalal and Triggs, "Histograms of oriented gradients for human detection",
2005), colours are soft histograms over a palette in CIELAB. Both are compared by Hellinger's kernel, that is, by
their square roots (Arandjelović and Zisserman, "Three things everyone should know to improve object retrieval", 2012).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from embedder.decode import Pixels
from embedder.fingerprint import model_fingerprint
from embedder.models.base import Encoded, PictureBatch, unit_vectors
from embedder.preprocess import Preprocessing

Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_VERSION = b"1"
"""Counted up when the same pixels get another vector."""

_SIZE = 128
_FINE = 16
"""Histograms are counted in 16 x 16 cells, then spread over the coarser grids: both steps are exact in float64."""

_EDGE_GRID, _EDGE_BINS, _EDGE_SHARE = 6, 8, 0.7
_EDGE_FLOOR = 0.2
"""Length under which the edges' part is not scaled up: what little structure noise has must not count like shape."""

_COLOUR_GRID, _COLOUR_NEAREST, _COLOUR_WIDTH = 3, 4, 16.0
_LEVELS = 256
"""A vote is divided into this many parts, so that votes are whole numbers."""


class _Votes(NamedTuple):
    """A lookup table: for each code the bins it votes for, and how strongly; both of shape (codes, votes)."""

    bins: IntArray
    weights: Float64Array


class HistogramEncoder:
    """288 numbers of edges (6 x 6 places, 8 directions) and 324 of colours (3 x 3 places, 36 colours).

    Votes are looked up and whole, so every batch size and machine gives the same vectors up to the last rounding.
    """

    name = "histogram"
    preprocessing = Preprocessing(size=_SIZE)

    def __init__(self) -> None:
        palette = _palette()
        self._colours = len(palette)
        self._colour_votes = _colour_votes(palette)
        self._edge_votes = _edge_votes()
        self._fine_cell = _fine_cells()
        self._spread = {grid: _spread(grid) for grid in (_EDGE_GRID, _COLOUR_GRID)}
        self.dimension = _EDGE_GRID**2 * _EDGE_BINS + _COLOUR_GRID**2 * self._colours
        self.fingerprint = model_fingerprint(self.name, _VERSION, self.preprocessing)

    def encode(self, batch: PictureBatch) -> Encoded:
        """See `Encoder.encode`."""
        raw = np.empty((len(batch), self.dimension))
        for row, pixels in zip(raw, batch, strict=True):
            edges, colours = self._edges(pixels), self._colour(pixels)
            row[: edges.size] = np.sqrt(_EDGE_SHARE) * edges
            row[edges.size :] = np.sqrt(1 - _EDGE_SHARE) * colours
        return unit_vectors(raw)

    def _edges(self, pixels: Pixels) -> Float64Array:
        """Square roots less their mean: what all pictures share (some edge everywhere) says nothing."""
        shares = _shares(self._histogram(_gradient_codes(pixels), self._edge_votes, _EDGE_BINS, _EDGE_GRID))
        roots = np.sqrt(shares)
        centred: Float64Array = roots - roots.mean()
        return centred / max(float(np.linalg.norm(centred)), _EDGE_FLOOR)

    def _colour(self, pixels: Pixels) -> Float64Array:
        votes = self._histogram(_colour_codes(pixels), self._colour_votes, self._colours, _COLOUR_GRID)
        roots: Float64Array = np.sqrt(_shares(votes))
        return roots

    def _histogram(self, codes: IntArray, votes: _Votes, bins: int, grid: int) -> Float64Array:
        """Votes of every pixel, spread bilinearly over grid x grid places; flat, (grid * grid * bins)."""
        fine = np.zeros(_FINE * _FINE * bins)
        offset = self._fine_cell * bins
        for vote in range(votes.bins.shape[1]):
            where = votes.bins[:, vote][codes] + offset
            fine += np.bincount(where, weights=votes.weights[:, vote][codes], minlength=fine.size)
        spread = self._spread[grid]
        rows = spread @ fine.reshape(_FINE, _FINE * bins)
        columns = spread @ rows.reshape(grid, _FINE, bins)
        return columns.reshape(-1)


def _fine_cells() -> IntArray:
    """For each pixel, row by row, the number of its fine cell."""
    cell = np.arange(_SIZE) * _FINE // _SIZE
    return (cell[:, None] * _FINE + cell[None, :]).reshape(-1)


def _spread(grid: int) -> Float64Array:
    """Weights (grid, _FINE) that hand each fine cell to the two places nearest to it, in whole parts of 32."""
    position = (np.arange(_FINE) + 0.5) * grid / _FINE - 0.5
    distance = np.abs(np.arange(grid)[:, None] - np.clip(position, 0, grid - 1)[None, :])
    return np.clip(1.0 - distance, 0.0, None)


def _shares(histogram: Float64Array) -> Float64Array:
    return histogram / max(float(histogram.sum()), 1.0)


def _gradient_codes(pixels: Pixels) -> IntArray:
    """Central differences of the luma (ITU-R BT.601) along both axes, as one code per pixel; 0 at the rim."""
    red, green, blue = (pixels[..., channel].astype(np.int32) for channel in range(3))
    luma = (77 * red + 150 * green + 29 * blue) >> 8
    codes = np.full(luma.shape, 255 * 511 + 255, dtype=np.int64)
    along_x = luma[1:-1, 2:] - luma[1:-1, :-2]
    along_y = luma[2:, 1:-1] - luma[:-2, 1:-1]
    codes[1:-1, 1:-1] = (along_y + 255) * 511 + along_x + 255
    return codes.reshape(-1)


def _edge_votes() -> _Votes:
    """Each gradient votes with its length for the two directions (of a half circle) nearest to its own."""
    steps = np.arange(-255, 256, dtype=np.float64)
    along_y, along_x = np.meshgrid(steps, steps, indexing="ij")
    length = np.hypot(along_x, along_y).reshape(-1)
    direction = np.arctan2(along_y, along_x).reshape(-1) % np.pi * (_EDGE_BINS / np.pi)
    lower = np.floor(direction)
    rest = direction - lower
    bins = np.stack([lower, lower + 1], axis=1).astype(np.int64) % _EDGE_BINS
    return _Votes(bins, np.rint(np.stack([length * (1 - rest), length * rest], axis=1) * _LEVELS))


def _colour_codes(pixels: Pixels) -> IntArray:
    """The five highest bits of each channel, as one code per pixel."""
    red, green, blue = (pixels[..., channel].astype(np.int64) >> 3 for channel in range(3))
    return ((red << 10) | (green << 5) | blue).reshape(-1)


def _colour_votes(palette: Float64Array) -> _Votes:
    """Each colour gives one vote in all, to the palette's colours nearest to it in CIELAB."""
    levels = (np.arange(32) + 0.5) * 8
    colours = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    squared = ((_lab(colours)[:, None, :] - palette[None, :, :]) ** 2).sum(axis=2)
    nearest = np.argsort(squared, axis=1, kind="stable")[:, :_COLOUR_NEAREST].astype(np.int64)
    near = np.take_along_axis(squared, nearest, axis=1)
    weights = np.exp((near[:, :1] - near) / (2 * _COLOUR_WIDTH**2))
    return _Votes(nearest, np.rint(weights / weights.sum(axis=1, keepdims=True) * _LEVELS))


def _palette() -> Float64Array:
    """Six greys, and ten hues at three lightnesses, as CIELAB."""
    greys = [(lightness, 0.0, 0.0) for lightness in (5.0, 25.0, 45.0, 65.0, 82.0, 97.0)]
    angles = np.arange(10) * (2 * np.pi / 10)
    hues = [
        (lightness, 38.0 * float(np.cos(angle)), 38.0 * float(np.sin(angle)))
        for lightness in (30.0, 55.0, 80.0)
        for angle in angles
    ]
    return np.array(greys + hues)


def _lab(rgb: Float64Array) -> Float64Array:
    """CIELAB (D65) of sRGB values in 0..255, by IEC 61966-2-1 and CIE 15; shape (n, 3)."""
    share = rgb / 255.0
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    xyz = linear @ to_xyz.T / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)
