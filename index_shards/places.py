"""Which picture lies at which position of a graph, and which positions are dead."""

import numpy as np

from index_shards.candidates import Int64Array
from index_shards.columns import Column
from index_shards.picture_table import SLOT_MASK, slot_of
from index_shards.tombstones import Tombstones


class Places:
    """A graph's positions and the pictures at them, in room for `capacity` positions.

    `ordinals` has the picture at each position, 0 once it is forgotten; `positions` has by slot the position plus one.
    Only ever changed under the tiers' lock.
    """

    def __init__(self, capacity: int) -> None:
        self.ordinals: Int64Array = np.zeros(capacity, np.int64)
        self.positions = Column(np.int32)
        self.tombstones = Tombstones(capacity)

    def size_bytes(self, count: int) -> int:
        """Bytes in memory while the first `count` positions are in use."""
        return self.ordinals.itemsize * count + self.positions.values.nbytes + len(self.ordinals) // 8

    def grow(self, capacity: int) -> None:
        """Make room for this many positions; who took `ordinals` before keeps what was there then."""
        ordinals = np.zeros(capacity, np.int64)
        ordinals[: len(self.ordinals)] = self.ordinals
        self.tombstones.grow(capacity)
        self.ordinals = ordinals

    def name(self, ordinals: Int64Array, first: int) -> None:
        """The pictures (0 for none) at the positions from `first` on."""
        known = np.flatnonzero(ordinals)
        slots = ordinals[known] & SLOT_MASK
        self.positions.reach(int(slots.max(initial=-1)) + 1)
        self.ordinals[first : first + len(ordinals)] = ordinals
        self.positions.values[slots] = first + known + 1

    def forgotten(self, count: int) -> int:
        """How many of the first `count` positions belong to no picture any more."""
        return count - int(np.count_nonzero(self.ordinals[:count]))

    def position(self, ordinal: int) -> int | None:
        """Where the picture is; None when it is not here."""
        slot, positions = slot_of(ordinal), self.positions.values
        position = int(positions[slot]) - 1 if slot < len(positions) else -1
        return position if position >= 0 and self.ordinals[position] == ordinal else None

    def hide(self, ordinal: int, hidden: bool) -> None:
        """Let searches pass the picture over, or find it again."""
        position = self.position(ordinal)
        if position is not None:
            self.tombstones.mark(position, hidden)

    def forget(self, ordinal: int) -> None:
        """The picture is nobody's any more."""
        position = self.position(ordinal)
        if position is not None:
            self.bury(position, ordinal)

    def bury(self, position: int, ordinal: int) -> None:
        """The vector at this position, added for this picture, is nobody's."""
        self.tombstones.mark(position, True)
        self.ordinals[position] = 0
        positions, slot = self.positions.values, slot_of(ordinal)
        if positions[slot] == position + 1:
            positions[slot] = 0
