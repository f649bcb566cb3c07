"""The pictures of a shard, each one vector: which items show it, and whether it can be found.

A picture has a slot, a small number that is used again after it. Its ordinal is the slot in the lower 32 bits and the
slot's tag in the upper ones; the tag is new with every use. An ordinal that was remembered too long is therefore known
as one: in a search that runs beside changes, or at a dead position of a graph. No ordinal is 0.
"""

from collections.abc import Iterable

import numpy as np

from index_shards.candidates import BoolArray, Int64Array
from index_shards.columns import Column

SLOT_BITS = 32
SLOT_MASK = (1 << SLOT_BITS) - 1
MOST_TAGS = (1 << 31) - 1
NOBODY = (1 << 32) - 1


def slot_of(ordinal: int) -> int:
    """The slot of an ordinal."""
    return ordinal & SLOT_MASK


class PictureTable:
    """Tags, visibility and owners by slot; most pictures have one owner, `more_owners` are those of the others."""

    def __init__(self) -> None:
        self.tags = Column(np.uint32)
        self.owners = Column(np.uint32)
        self.visible = Column(np.bool_)
        self.more_owners: dict[int, set[int]] = {}
        self.count = 0
        self._slots = 0
        self._free: list[int] = []

    def create(self) -> int:
        """The ordinal of a new picture that nobody owns yet."""
        if self._free:
            slot = self._free.pop()
        else:
            slot = self._slots
            self._slots += 1
        self.tags.reach(self._slots)
        return self._begin(slot, max(int(self.tags.values[slot]), 1))

    def restore(self, ordinals: Iterable[int]) -> None:
        """Pictures under ordinals they had before; `restored` must follow when all are there."""
        for ordinal in ordinals:
            if not self.valid(ordinal):
                self._begin(slot_of(ordinal), ordinal >> SLOT_BITS)
                self._slots = max(self._slots, slot_of(ordinal) + 1)

    def restore_many(self, ordinals: Int64Array, numbers: Int64Array, visible: BoolArray) -> None:
        """The same of pictures with the item that shows each and whether it can be found, all of shape (n,)."""
        slots = ordinals & SLOT_MASK
        self._slots = max(self._slots, int(slots.max(initial=-1)) + 1)
        for column in (self.tags, self.owners, self.visible):
            column.reach(self._slots)
        fresh = np.zeros(len(slots), np.bool_)
        fresh[np.unique(slots, return_index=True)[1]] = True
        fresh &= self.tags.values[slots] != ordinals >> SLOT_BITS
        new = slots[fresh]
        self.tags.values[new] = ordinals[fresh] >> SLOT_BITS
        self.owners.values[new] = numbers[fresh]
        self.visible.values[new] = visible[fresh]
        self.count += len(new)
        for at in np.flatnonzero(~fresh).tolist():
            self.own(int(slots[at]), int(numbers[at]))
            self.visible.values[slots[at]] |= visible[at]

    def restored(self) -> None:
        """Take every other slot as free."""
        unused = self.tags.values[: self._slots] == 0
        self._free = np.flatnonzero(unused)[::-1].tolist()

    def live(self) -> Int64Array:
        """The ordinals of every picture, shape (n,), in the order of their slots."""
        slots = np.setdiff1d(np.arange(self._slots), np.array(self._free, np.int64), assume_unique=True)
        ordinals: Int64Array = self.tags.values[slots].astype(np.int64) << SLOT_BITS | slots
        return ordinals

    def valid(self, ordinal: int) -> bool:
        """Whether this picture is still the one in its slot."""
        slot = ordinal & SLOT_MASK
        return slot < self._slots and int(self.tags.values[slot]) == ordinal >> SLOT_BITS

    def findable(self, ordinals: Int64Array) -> BoolArray:
        """True where the picture is still there and can be found, for ordinals of shape (n,), 0 for none."""
        slots = ordinals & SLOT_MASK
        found: BoolArray = (self.tags.values[slots] == ordinals >> SLOT_BITS) & self.visible.values[slots]
        return found

    def shown_by(self, ordinal: int) -> int | None:
        """The number of the first item that shows this picture; None when it is gone or cannot be found."""
        slot = ordinal & SLOT_MASK
        if self.tags.values.item(slot) != ordinal >> SLOT_BITS or not self.visible.values.item(slot):
            return None
        owner: int = self.owners.values.item(slot)
        return owner

    def own(self, slot: int, number: int) -> None:
        """An item shows this picture now."""
        first = int(self.owners.values[slot])
        if first == NOBODY:
            self.owners.values[slot] = number
        elif first != number:
            self.more_owners.setdefault(slot, set()).add(number)

    def disown(self, slot: int, number: int) -> None:
        """An item shows this picture no more."""
        more = self.more_owners.get(slot)
        if int(self.owners.values[slot]) == number:
            self.owners.values[slot] = more.pop() if more else NOBODY
        elif more:
            more.discard(number)
        if more is not None and not more:
            del self.more_owners[slot]

    def owners_of(self, slot: int) -> tuple[int, ...]:
        """The numbers of the items that show this picture."""
        first = int(self.owners.values[slot])
        return () if first == NOBODY else (first, *self.more_owners.get(slot, ()))

    def forget(self, slot: int) -> None:
        """Give the slot back."""
        self.visible.values[slot] = False
        self.tags.values[slot] = int(self.tags.values[slot]) % MOST_TAGS + 1
        self._free.append(slot)
        self.count -= 1

    def _begin(self, slot: int, tag: int) -> int:
        self.tags.set(slot, tag)
        self.owners.set(slot, NOBODY)
        self.visible.set(slot, False)
        self.count += 1
        return tag << SLOT_BITS | slot
