"""A fair sample of the items, kept up while they come and go."""

import numpy as np
from pyroaring import BitMap

from index_shards.attribute_bitmaps import bitmap_of, numbers_of

MIN_SAMPLE = 2048
MAX_SAMPLE = 8192
EVERY = 1 << 32


class Sample:
    """The items whose hashed number is below a threshold: all of them, or at least 2,048.

    The hash is the finalizer of MurmurHash3 (https://github.com/aappleby/smhasher), so that who is in depends on
    nothing but the number, and a change costs a comparison.
    """

    def __init__(self) -> None:
        self.items = BitMap()
        self._threshold = EVERY

    def add(self, number: int) -> None:
        """An item came."""
        if _hashed(number) < self._threshold:
            self.items.add(number)
            self._narrow()

    def add_many(self, numbers: BitMap) -> None:
        """Items came."""
        self.items |= self._chosen(numbers)
        self._narrow()

    def discard(self, number: int, left: BitMap) -> None:
        """An item went, and these are left."""
        self.items.discard(number)
        if len(self.items) < MIN_SAMPLE and self._threshold < EVERY:
            share = 2 * MIN_SAMPLE / max(1, len(left))
            self._threshold = EVERY if share >= 1 else int(EVERY * share)
            self.items = self._chosen(left)

    def _narrow(self) -> None:
        while len(self.items) > MAX_SAMPLE:
            self._threshold //= 2
            self.items = self._chosen(self.items)

    def _chosen(self, numbers: BitMap) -> BitMap:
        candidates = numbers_of(numbers)
        hashes = candidates.astype(np.uint64)
        hashes = ((hashes ^ (hashes >> np.uint64(16))) * np.uint64(0x85EBCA6B)) & np.uint64(EVERY - 1)
        hashes = ((hashes ^ (hashes >> np.uint64(13))) * np.uint64(0xC2B2AE35)) & np.uint64(EVERY - 1)
        return bitmap_of(candidates[(hashes ^ (hashes >> np.uint64(16))) < self._threshold])


def _hashed(number: int) -> int:
    number = ((number ^ (number >> 16)) * 0x85EBCA6B) & (EVERY - 1)
    number = ((number ^ (number >> 13)) * 0xC2B2AE35) & (EVERY - 1)
    return number ^ (number >> 16)
