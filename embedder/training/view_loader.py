"""Views of pictures, made in threads ahead of the model."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from embedder.models.base import PictureBatch
from embedder.preprocess import Preprocessing
from embedder.training.augmentation import Augmentation, draw_view, make_view
from embedder.training.pixel_store import PixelStore

IntArray = npt.NDArray[np.int64]
AHEAD = 2
"""Batches that wait for the model at most, beside those being made."""


class LoadedBatch(NamedTuple):
    """`views` (n * views, size, size, 3) uint8, all first views and then all second ones; `rows` (n * views,)."""

    views: PictureBatch
    rows: IntArray


class ViewLoader:
    """Makes an epoch's batches. A view depends on seed, epoch, batch and place alone, whichever thread makes it."""

    def __init__(
        self, pixels: PixelStore, numbers: IntArray, how: Augmentation, spec: Preprocessing, seed: int, views: int
    ) -> None:
        """`numbers` (n,) are the pictures' numbers in the store, by row."""
        self._pixels = pixels
        self._numbers = numbers
        self._how = how
        self._spec = spec
        self._seed = seed
        self._views = views
        self._threads = max(1, min(8, len(os.sched_getaffinity(0)) // 2))

    def epoch(self, epoch: int, batches: Sequence[IntArray]) -> Iterator[LoadedBatch]:
        """The batches in order, each (n,) rows."""
        with ThreadPoolExecutor(self._threads, "views") as pool:
            coming: deque[Future[LoadedBatch]] = deque()
            try:
                for number, rows in enumerate(batches):
                    coming.append(pool.submit(self._make, epoch, number, rows))
                    if len(coming) >= self._threads + AHEAD:
                        yield coming.popleft().result()
                while coming:
                    yield coming.popleft().result()
            finally:
                for future in coming:
                    future.cancel()

    def _make(self, epoch: int, batch: int, rows: IntArray) -> LoadedBatch:
        side = self._spec.size
        made = np.empty((self._views * len(rows), side, side, 3), dtype=np.uint8)
        for place, row in enumerate(rows.tolist() * self._views):
            pixels = self._pixels.get(int(self._numbers[row]))
            chance = np.random.default_rng((self._seed, epoch, batch, place))
            view = draw_view(chance, self._how, pixels.shape[1], pixels.shape[0], side)
            made[place] = make_view(pixels, view, self._spec)
        return LoadedBatch(made, np.tile(rows, self._views))
