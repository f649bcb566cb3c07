"""Which items stand behind which pictures.

Items that show the same picture (the same fingerprint) share its one vector: HNSW turns runs of equal vectors into
sinks that swallow searches. A picture can be found while one of its items can.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from index_shards.item_table import ItemTable
from index_shards.picture_table import SLOT_MASK, PictureTable, slot_of


class Shown(NamedTuple):
    """An item as searches shall see it; it has at least one picture."""

    ordinals: Sequence[int]
    attributes: bytes
    findable: bool


class RestoredItem(NamedTuple):
    """An item with one picture, as it was when a snapshot was written."""

    number: int
    item_id: str
    ordinal: int
    attributes: bytes
    findable: bool


class Touched(NamedTuple):
    """Ordinals of pictures that changed between found and hidden, and of those that no item has any more."""

    turned: list[int]
    forgotten: list[int]


class IdMap:
    """Items and pictures; only what has a picture is kept."""

    def __init__(self) -> None:
        self.items = ItemTable()
        self.pictures = PictureTable()

    def put(self, number: int, before: Sequence[int], shown: Shown) -> Touched:
        """Show an item in this way; `before` are the ordinals of the pictures it had."""
        for ordinal in before:
            if ordinal not in shown.ordinals:
                self.pictures.disown(slot_of(ordinal), number)
        for ordinal in shown.ordinals:
            self.pictures.own(slot_of(ordinal), number)
        if list(before) != list(shown.ordinals):
            self.items.set_slots(number, [slot_of(ordinal) for ordinal in shown.ordinals])
        self.items.show(number, shown.attributes, shown.findable)
        return self._settle([*before, *(o for o in shown.ordinals if o not in before)])

    def restore_many(self, items: Sequence[RestoredItem]) -> None:
        """Show items with one picture each, as a snapshot had them."""
        if not items:
            return
        numbers, ids, ordinals, attributes, findable = zip(*items, strict=True)
        at, pictures, seen = np.array(numbers), np.array(ordinals), np.array(findable)
        self.items.restore_many(at, ids, attributes, pictures & SLOT_MASK, seen)
        self.pictures.restore_many(pictures, at, seen)

    def remove(self, number: int, before: Sequence[int]) -> Touched:
        """Forget an item that has these pictures, and its number."""
        for ordinal in before:
            self.pictures.disown(slot_of(ordinal), number)
        self.items.forget(number)
        return self._settle(before)

    def is_visible(self, ordinal: int) -> bool:
        """Whether the picture is still there and can be found."""
        return self.pictures.valid(ordinal) and bool(self.pictures.visible.values[slot_of(ordinal)])

    def _settle(self, ordinals: Sequence[int]) -> Touched:
        turned, forgotten = [], []
        for ordinal in ordinals:
            slot = slot_of(ordinal)
            owners = self.pictures.owners_of(slot)
            visible = any(self.items.findable.values[owner] for owner in owners)
            if not owners:
                self.pictures.forget(slot)
                forgotten.append(ordinal)
            elif visible != self.pictures.visible.values[slot]:
                self.pictures.visible.values[slot] = visible
                turned.append(ordinal)
        return Touched(turned, forgotten)
