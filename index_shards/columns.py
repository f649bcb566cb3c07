"""A column of numbers that grows: what Python objects would take hundreds of bytes for."""

from typing import Any

import numpy as np
import numpy.typing as npt

FIRST_LENGTH = 1024


class Column:
    """`values` has shape (length,), zeros where nothing was set; growing doubles it.

    It grows by a copy, so a reader who took `values` before keeps what was there then. Zeros that were never touched
    take no memory.
    """

    __slots__ = ("values",)

    def __init__(self, dtype: npt.DTypeLike, length: int = FIRST_LENGTH) -> None:
        self.values: npt.NDArray[Any] = np.zeros(length, dtype)

    def reach(self, length: int) -> None:
        """Make it at least this long."""
        if length <= len(self.values):
            return
        values = np.zeros(max(length, 2 * len(self.values)), self.values.dtype)
        values[: len(self.values)] = self.values
        self.values = values

    def set(self, index: int, value: int | bool) -> None:
        """Set one number, however far out."""
        if index >= len(self.values):
            self.reach(index + 1)
        self.values[index] = value
