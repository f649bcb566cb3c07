"""Decoded pictures of any number and size, kept once, so that an epoch decodes nothing."""

import mmap
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from embedder.decode import Pixels


class _Place(NamedTuple):
    start: int
    height: int
    width: int


class PixelStore:
    """uint8 pictures (height, width, 3) by number, in a nameless file that is mapped into memory.

    What is read again and again lies in the system's page cache, as far as there is room; a crash leaves nothing.
    Writing comes first, reading after it, by any number of threads.
    """

    def __init__(self, folder: Path) -> None:
        """Raises OSError where no file can be made in the folder."""
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  closed by close()
        self._places: dict[int, _Place] = {}
        self._end = 0
        self._mapped: mmap.mmap | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes of all pictures."""
        return self._end

    def put(self, number: int, pixels: Pixels) -> None:
        """Keep a picture under a number; raises OSError when the disk is full."""
        data = np.ascontiguousarray(pixels)
        self._file.write(data.data)
        self._places[number] = _Place(self._end, pixels.shape[0], pixels.shape[1])
        self._end += data.nbytes

    def shape(self, number: int) -> tuple[int, int]:
        """Height and width of a picture."""
        place = self._places[number]
        return place.height, place.width

    def freeze(self) -> None:
        """Writing is over; raises OSError when the disk is full."""
        self._file.flush()
        if self._end:
            self._mapped = mmap.mmap(self._file.fileno(), self._end, access=mmap.ACCESS_READ)

    def get(self, number: int) -> Pixels:
        """A picture, without a copy; not to be written to."""
        assert self._mapped is not None, "freeze the store before reading"
        place = self._places[number]
        flat = np.frombuffer(self._mapped, np.uint8, place.height * place.width * 3, place.start)
        return flat.reshape(place.height, place.width, 3)

    def close(self) -> None:
        """Forget all pictures; those that are still held stay readable."""
        self._file.close()
