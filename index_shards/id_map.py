"""Which items stand behind which pictures, and where each picture's vector lies.

A picture is one vector, known by its ordinal, which is never used again. Items that show the same picture (the same
fingerprint) share its ordinal: HNSW turns runs of equal vectors into sinks that swallow searches. A picture can be
found while one of its items can.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, eq=False)
class Picture:
    """One vector: `place` is its position in the graph, or the complement of its sequence number in the buffer."""

    ordinal: int
    fingerprint: bytes
    place: int
    owners: set[str] = field(default_factory=set)
    visible: bool = False

    @property
    def in_graph(self) -> bool:
        return self.place >= 0

    @property
    def sequence(self) -> int:
        """Its sequence number in the buffer."""
        return ~self.place


@dataclass(slots=True, eq=False)
class Item:
    """What a search needs of one item; `attributes` is replaced, never changed."""

    item_id: str
    pictures: tuple[Picture, ...] = ()
    attributes: dict[str, Any] = field(default_factory=dict)
    version: int = 0
    event_us: int = 0
    searchable_us: int = 0
    findable: bool = False


class IdMap:
    """Items and pictures by their names; only what has a picture is kept."""

    def __init__(self, next_ordinal: int = 0) -> None:
        self.items: dict[str, Item] = {}
        self.pictures: dict[int, Picture] = {}
        self.findable = 0
        self.next_ordinal = next_ordinal
        self._by_fingerprint: dict[bytes, Picture] = {}

    def known(self, fingerprint: bytes) -> Picture | None:
        """The picture with this fingerprint."""
        return self._by_fingerprint.get(fingerprint)

    def create(self, fingerprint: bytes, place: int) -> Picture:
        """A new picture under the next ordinal."""
        picture = self.restore(self.next_ordinal, fingerprint, place)
        self.next_ordinal += 1
        return picture

    def restore(self, ordinal: int, fingerprint: bytes, place: int) -> Picture:
        """A picture under an ordinal it had before."""
        picture = Picture(ordinal, fingerprint, place)
        self.pictures[ordinal] = picture
        self._by_fingerprint[fingerprint] = picture
        return picture

    def set_item(self, item: Item) -> list[Picture]:
        """Put an item in the place of what stood under its id; the pictures whose visibility may have changed."""
        before = self.items.pop(item.item_id, None)
        touched: dict[int, Picture] = {}
        if before is not None:
            self.findable -= before.findable
            for picture in before.pictures:
                picture.owners.discard(item.item_id)
                touched[picture.ordinal] = picture
        if item.pictures:
            self.items[item.item_id] = item
            self.findable += item.findable
        for picture in item.pictures:
            picture.owners.add(item.item_id)
            touched[picture.ordinal] = picture
        return list(touched.values())

    def refresh(self, picture: Picture) -> bool:
        """Work out anew whether it can be found, and forget it when no item is left behind it; whether that changed."""
        visible = any(self.items[owner].findable for owner in picture.owners)
        if not picture.owners:
            del self.pictures[picture.ordinal]
            if self._by_fingerprint.get(picture.fingerprint) is picture:
                del self._by_fingerprint[picture.fingerprint]
        changed = visible != picture.visible
        picture.visible = visible
        return changed

    def behind(self, picture: Picture) -> Iterator[Item]:
        """The items that show this picture."""
        return (self.items[owner] for owner in picture.owners)

    def findable_items(self) -> Iterable[Item]:
        """Every item that can be found, as of about now; safe beside changes."""
        return (item for item in list(self.items.values()) if item.findable)
