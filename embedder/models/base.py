"""What every model is to the rest: a name, a fingerprint, and pictures to unit vectors."""

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from embedder.preprocess import Preprocessing

PictureBatch = npt.NDArray[np.uint8]
"""Prepared pictures, RGB, shape (n, size, size, 3)."""

Float32Array = npt.NDArray[np.float32]


class Encoded(NamedTuple):
    """A batch's vectors (n, dimension), and their lengths (n,) before they were made unit vectors.

    A row whose length is 0 or not finite is no usable vector. The lengths are kept as they show drift.
    """

    vectors: Float32Array
    norms: Float32Array


class Encoder(Protocol):
    """A model that is loaded. `encode` is called by one thread at a time."""

    @property
    def name(self) -> str:
        """As in the settings: `fake`, `histogram`, `lookalive-small`, `timm:<name>`."""

    @property
    def fingerprint(self) -> str:
        """16 hex digits; equal exactly when vectors may be compared."""

    @property
    def dimension(self) -> int:
        """Numbers per vector."""

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures must be prepared for `encode`."""

    def encode(self, batch: PictureBatch) -> Encoded:
        """The vectors of prepared pictures, in their order.

        Raises:
            MemoryError: the batch is too large for the device.
        """


def unit_vectors(raw: npt.NDArray[np.floating]) -> Encoded:
    """Rows divided by their Euclidean length; a row that has none stays as it is."""
    norms = np.linalg.norm(raw, axis=1)
    usable = np.isfinite(norms) & (norms > 0)
    scaled = raw / np.where(usable, norms, 1.0)[:, None]
    return Encoded(scaled.astype(np.float32), norms.astype(np.float32))
