"""The items of a shard by number: what a search needs of each, in columns.

An item with pictures has a number, a small one that is used again after it. Most items have one picture, whose slot is
in a column; the others' further pictures are rows of `_more_items` and `_more_slots`.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap

from index_shards.candidates import BoolArray, Int64Array
from index_shards.columns import Column
from index_shards.texts import TextColumn

NO_ATTRIBUTES = b"{}"
NOBODY = (1 << 32) - 1

Numbers = npt.NDArray[np.uint32]


class ItemTable:
    """Ids, attributes as JSON, visibility and picture slots by item number; `findable_count` can be found."""

    def __init__(self) -> None:
        self.ids = TextColumn()
        self.attributes: list[bytes] = []
        self.findable = Column(np.bool_)
        self.findable_count = 0
        self._first_slot = Column(np.uint32)
        self._rows: dict[int, tuple[int, ...]] = {}
        self._more_items, self._more_slots = Column(np.uint32), Column(np.uint32)
        self._row_count = 0
        self._free: list[int] = []
        self._free_rows: list[int] = []

    def create(self, item_id: str) -> int:
        """The number of a new item, without pictures and not to be found."""
        if not self._free:
            self.restore(len(self.ids), item_id)
            return len(self.ids) - 1
        number = self._free.pop()
        self.ids[number] = item_id
        return number

    def restore(self, number: int, item_id: str) -> None:
        """An item under a number it had before; `restored` must follow when all are there."""
        self._reach(number + 1)
        self.ids[number] = item_id
        self._first_slot.values[number] = NOBODY

    def restore_many(
        self,
        numbers: Int64Array,
        ids: Sequence[str],
        attributes: Sequence[bytes],
        slots: Int64Array,
        findable: BoolArray,
    ) -> None:
        """The same of items with one picture each, as they shall be seen; all of shape (n,)."""
        self._reach(int(numbers.max(initial=-1)) + 1)
        self.ids.fill(numbers, ids)
        for number, encoded in zip(numbers.tolist(), attributes, strict=True):
            self.attributes[number] = encoded
        self._first_slot.values[numbers] = slots
        self.findable.values[numbers] = findable
        self.findable_count += int(np.count_nonzero(findable))

    def restored(self, used: BitMap) -> None:
        """Take every other number as free."""
        self._free = list(BitMap(range(len(self.ids))) - used)[::-1]

    def show(self, number: int, attributes: bytes, findable: bool) -> None:
        """Its attributes, and whether it can be found, from now on."""
        self.attributes[number] = attributes
        self.findable_count += findable - bool(self.findable.values[number])
        self.findable.values[number] = findable

    def set_slots(self, number: int, slots: list[int]) -> None:
        """Its pictures from now on."""
        for row in self._rows.pop(number, ()):
            self._more_items.values[row] = NOBODY
            self._free_rows.append(row)
        self._first_slot.values[number] = slots[0] if slots else NOBODY
        if len(slots) > 1:
            self._rows[number] = tuple(self._row(number, slot) for slot in slots[1:])

    def forget(self, number: int) -> None:
        """Give the number back."""
        self.show(number, NO_ATTRIBUTES, False)
        self.set_slots(number, [])
        self.ids[number] = ""
        self._free.append(number)

    def slots_of(self, numbers: BitMap) -> npt.NDArray[np.int64]:
        """The slots of these items' pictures, shape (n,), in no order; safe beside changes."""
        first = self._first_slot.values
        chosen = as_array(numbers)
        slots = first[chosen[chosen < len(first)]]
        rows = self._row_count
        if rows:
            owners, more = self._more_items.values[:rows], self._more_slots.values[:rows]
            marks = np.zeros(len(first) + 1, np.bool_)
            marks[chosen[chosen < len(first)]] = True
            slots = np.concatenate([slots, more[marks[np.minimum(owners, len(first))]]])
        found: npt.NDArray[np.int64] = slots[slots != NOBODY].astype(np.int64)
        return found

    def _reach(self, length: int) -> None:
        missing = length - len(self.ids)
        if missing > 0:
            self.ids.reach(length)
            self.attributes.extend([NO_ATTRIBUTES] * missing)
            self.findable.reach(length)
            self._first_slot.reach(length)

    def _row(self, number: int, slot: int) -> int:
        if self._free_rows:
            row = self._free_rows.pop()
        else:
            row = self._row_count
            self._more_items.reach(row + 1)
            self._more_slots.reach(row + 1)
            self._row_count += 1
        self._more_slots.values[row] = slot
        self._more_items.values[row] = number
        return row


def as_array(numbers: BitMap) -> Numbers:
    """The members of a bitmap, ascending, shape (n,)."""
    return np.frombuffer(numbers.to_array(), np.uint32)
