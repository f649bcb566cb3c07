"""fp16 numbers as float32, by looking them up: several times quicker than numpy's conversion."""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from index_shards.candidates import Float32Array


def widened(halves: npt.NDArray[np.uint16]) -> Float32Array:
    """The float32 numbers that these bits of fp16 mean, in the same shape."""
    wide: Float32Array = _table().take(halves)
    return wide


@cache
def _table() -> npt.NDArray[Any]:
    return np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
