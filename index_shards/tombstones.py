"""Which positions of a graph are dead: HNSW cannot forget a vector, so what a search finds is sifted."""

from typing import Any

import numpy as np

from index_shards.candidates import BoolArray, Int64Array
from index_shards.faiss_api import faiss


class Tombstones:
    """A bitmap over the positions of a graph, read by searches while one thread at a time writes it."""

    def __init__(self, capacity: int) -> None:
        self._bits = np.zeros((capacity + 7) // 8, np.uint8)
        self.count = 0

    def grow(self, capacity: int) -> None:
        """Make room for this many positions; nothing may be marked meanwhile."""
        size_bytes = (capacity + 7) // 8
        if size_bytes <= len(self._bits):
            return
        bits = np.zeros(size_bytes, np.uint8)
        bits[: len(self._bits)] = self._bits
        self._bits = bits

    def mark(self, position: int, dead: bool) -> None:
        """Bury or raise one position."""
        byte, bit = position >> 3, position & 7
        held = int(self._bits[byte])
        if bool(held >> bit & 1) != dead:
            self._bits[byte] = held ^ (1 << bit)
            self.count += 1 if dead else -1

    def mark_all(self, dead: BoolArray) -> None:
        """Set the first positions to these marks of shape (n,); all the others are alive."""
        bits = np.packbits(dead, bitorder="little")
        self._bits[:] = 0
        self._bits[: len(bits)] = bits
        self.count = int(np.count_nonzero(dead))

    def dead_at(self, positions: Int64Array) -> BoolArray:
        """True where dead, for positions of shape (n,)."""
        bits = self._bits[positions >> 3] >> (positions & 7).astype(np.uint8) & 1
        return np.asarray(bits, np.bool_)

    def mask(self, count: int) -> BoolArray:
        """True where dead, for the first `count` positions."""
        return np.unpackbits(self._bits, count=count, bitorder="little").view(np.bool_)


def selector_of(positions: Int64Array, count: int) -> Any:
    """A selector of just these positions of a graph of `count` vectors."""
    mask = np.zeros(count, np.bool_)
    mask[positions] = True
    return selector_of_mask(mask)


def selector_of_mask(mask: BoolArray) -> Any:
    """A selector of the positions where a mask of shape (n,) over a graph of n vectors is true."""
    # The array form keeps a reference to the bits; the pointer form would read freed memory.
    return faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
