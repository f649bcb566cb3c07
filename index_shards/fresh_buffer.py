"""The first tier: the newest vectors, flat and searched exactly, until they are drained into the graph.

A ring of preallocated slots. A vector's sequence number never changes and names its slot modulo the capacity. One
thread at a time appends or drains (the shard's lock sees to it). A search takes a view of what is there under that
lock, and scores it without: a scan that was overtaken by an append finds out by the reserved sequence numbers and
leaves the overwritten slots away. Those had been drained before, so a search that scans the buffer first and the graph
after it misses none.
"""

from typing import NamedTuple

import numpy as np

from index_shards.candidates import (
    NOTHING,
    BoolArray,
    Candidates,
    Float32Array,
    Int64Array,
    nearly_best,
    scored,
)
from schemas.errors import Busy

_NO_ORDINALS, _NO_MARKS = np.empty(0, np.int64), np.empty(0, np.bool_)


class BufferView(NamedTuple):
    """What is in the buffer at one moment: ordinals and hidden marks of shape (n,), first and past-the-end sequence."""

    ordinals: Int64Array
    hidden: BoolArray
    start: int
    end: int


class FreshBuffer:
    """Up to `capacity` float32 vectors of `dimension` numbers."""

    def __init__(self, dimension: int, capacity: int) -> None:
        self.capacity = capacity
        self._vectors = np.zeros((capacity, dimension), np.float32)
        self._ordinals = np.zeros(capacity, np.int64)
        self._hidden = np.zeros(capacity, np.bool_)
        self._sequences: dict[int, int] = {}
        self._start = self._end = self._reserved = 0

    def __len__(self) -> int:
        return self._end - self._start

    @property
    def room(self) -> int:
        """How many vectors fit in before it must be drained."""
        return self.capacity - len(self)

    @property
    def start(self) -> int:
        """The sequence number of the oldest vector."""
        return self._start

    def __contains__(self, ordinal: int) -> bool:
        return ordinal in self._sequences

    def append(self, ordinal: int, vector: Float32Array, hidden: bool) -> None:
        """Keep a vector of shape (dimension,).

        Raises:
            Busy: the buffer is full.
        """
        if self.room < 1:
            raise Busy("the fresh buffer is full", capacity=self.capacity)
        sequence = self._end
        self._reserved = sequence + 1
        slot = sequence % self.capacity
        self._vectors[slot] = vector
        self._ordinals[slot] = ordinal
        self._hidden[slot] = hidden
        self._sequences[ordinal] = sequence
        self._end = sequence + 1

    def oldest(self, count: int) -> tuple[Int64Array, Float32Array]:
        """Copies of the next ordinals to drain, shape (n,), 0 for forgotten ones, and the vectors (n, dimension)."""
        slots = np.arange(self._start, min(self._start + count, self._end)) % self.capacity
        return self._ordinals[slots], self._vectors[slots]

    def drained(self, ordinals: Int64Array) -> None:
        """Give the slots of the oldest back; `ordinals` are what `oldest` said."""
        for ordinal in ordinals.tolist():
            self._sequences.pop(ordinal, None)
        self._start += len(ordinals)

    def hide(self, ordinal: int, hidden: bool) -> None:
        """Whether scans should mark this vector as one that cannot be found."""
        self._hidden[self._sequences[ordinal] % self.capacity] = hidden

    def forget(self, ordinal: int) -> None:
        """The vector is nobody's any more; it goes when its turn to be drained comes."""
        slot = self._sequences.pop(ordinal) % self.capacity
        self._hidden[slot] = True
        self._ordinals[slot] = 0

    def vector(self, ordinal: int) -> Float32Array:
        """A copy of one vector, shape (dimension,)."""
        row: Float32Array = self._vectors[self._sequences[ordinal] % self.capacity].copy()
        return row

    def view(self, since: int = 0) -> BufferView:
        """What is in it (from sequence number `since` on); the caller holds the shard's lock."""
        start = min(max(self._start, since), self._end)
        if start == self._end:
            return BufferView(_NO_ORDINALS, _NO_MARKS, start, start)
        pieces = self._pieces(start, self._end)
        ordinals = np.concatenate([self._ordinals[piece] for piece in pieces])
        return BufferView(ordinals, np.concatenate([self._hidden[piece] for piece in pieces]), start, self._end)

    def search(self, view: BufferView, query: Float32Array, eligible: BoolArray, depth: int) -> Candidates:
        """The `depth` best of the view's eligible vectors (marks of shape (n,)); takes no lock."""
        if view.start == view.end:
            return NOTHING
        pieces = self._pieces(view.start, view.end)
        found = np.concatenate([self._vectors[piece] @ query for piece in pieces])
        overwritten = self._overwritten(view)
        while True:
            among = np.flatnonzero(eligible[overwritten:]) + overwritten
            picked = among[nearly_best(found[among], depth)]
            rows = self._vectors[(view.start + picked) % self.capacity]
            if (now := self._overwritten(view)) == overwritten:
                return scored(view.ordinals[picked], rows, query, len(picked) == len(among))
            overwritten = now

    def _pieces(self, start: int, end: int) -> list[slice]:
        """The slots of these sequence numbers, as one run or as two around the ring's end."""
        first, last = start % self.capacity, end % self.capacity
        if start == end or first < last:
            return [slice(first, last)]
        return [slice(first, self.capacity), slice(0, last)]

    def _overwritten(self, view: BufferView) -> int:
        """How many of the view's oldest vectors may be gone by now."""
        return min(max(self._reserved - self.capacity - view.start, 0), view.end - view.start)
