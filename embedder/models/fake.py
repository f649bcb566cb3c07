"""A model without weights for tests: deterministic vectors from pixels, similar for similar pictures."""

import hashlib

import numpy as np
import numpy.typing as npt

from embedder.fingerprint import model_fingerprint
from embedder.models.base import Encoded, PictureBatch, unit_vectors
from embedder.preprocess import Preprocessing

DIMENSION = 64
_SIZE = 32
_CELLS = 8
_GREY = 127
_BIAS = 1000
"""A constant feature, so that not even a uniformly grey picture has a vector of length 0."""


class FakeEncoder:
    """A fixed random projection (Johnson and Lindenstrauss) of an 8 x 8 thumbnail and the mean colour.

    All sums are of whole numbers (or eighths) below 2^53 and therefore exact, in whatever order a machine adds them.
    """

    name = "fake"
    dimension = DIMENSION
    preprocessing = Preprocessing(size=_SIZE)

    def __init__(self) -> None:
        features = 3 * _CELLS * _CELLS + 3 + 1
        self._projection = _signs(features, DIMENSION)
        self.fingerprint = model_fingerprint(self.name, self._projection.tobytes(), self.preprocessing)

    def encode(self, batch: PictureBatch) -> Encoded:
        """See `Encoder.encode`."""
        side = _SIZE // _CELLS
        rows = batch.reshape(len(batch), _CELLS, side, _SIZE * 3).sum(axis=2, dtype=np.int32)
        sums = rows.reshape(len(batch), _CELLS, _CELLS, side, 3).sum(axis=3)
        cells = (sums - side * side * _GREY).astype(np.float64)
        colour = cells.sum(axis=(1, 2)) / _CELLS
        bias = np.full((len(batch), 1), float(_BIAS))
        features = np.concatenate([cells.reshape(len(batch), 3 * _CELLS * _CELLS), colour, bias], axis=1)
        return unit_vectors(features @ self._projection)


def _signs(rows: int, columns: int) -> npt.NDArray[np.float64]:
    """A matrix of whole numbers in -128..127 from a hash, which, unlike a random generator, never changes."""
    stream = hashlib.shake_256(b"lookalive fake model").digest(rows * columns)
    return np.frombuffer(stream, dtype=np.int8).reshape(rows, columns).astype(np.float64)
