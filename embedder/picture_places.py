"""Where pictures lie that were put into the image store together, by their digest: a note that saves room."""

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from embedder.bounded_store import BoundedStore
from schemas.settings import MIB

# Of a million pictures.
PLACES_BYTES, AVERAGE_BYTES = 128 * MIB, 128
_VALUE = struct.Struct("<Q16sQQ")
"""Write counter, the pack's name, where the picture begins in it, its bytes."""


class Place(NamedTuple):
    """`size_bytes` bytes of a pack, from `start` on; a pack's name has 32 hex digits."""

    pack: str
    start: int
    size_bytes: int

    @property
    def end(self) -> int:
        """Bytes that the pack has at least."""
        return self.start + self.size_bytes


class PicturePlaces:
    """Remembers places, so that a picture which comes again is not kept again; where one is forgotten, it is.

    What is asked for stays: a place that has grown old is written again, in front of what nobody asks for.
    """

    def __init__(self, store: BoundedStore) -> None:
        self._store = store
        self._old_after = store.max_bytes // AVERAGE_BYTES // 2

    def find(self, digests: Iterable[str]) -> dict[str, Place]:
        """The places of those that are remembered."""
        found: dict[str, Place] = {}
        old: dict[str, Place] = {}
        for digest in digests:
            value = self._store.get(bytes.fromhex(digest))
            if value is None or len(value) != _VALUE.size:
                continue
            written, pack, start, size_bytes = _VALUE.unpack(value)
            found[digest] = Place(pack.hex(), start, size_bytes)
            if self._store.writes - written > self._old_after:
                old[digest] = found[digest]
        self.keep(old)
        return found

    def keep(self, places: Mapping[str, Place]) -> None:
        """Remember these, by digest."""
        written = self._store.writes
        self._store.put(
            {
                bytes.fromhex(digest): _VALUE.pack(written, bytes.fromhex(place.pack), place.start, place.size_bytes)
                for digest, place in places.items()
            }
        )

    def close(self) -> None:
        """Give the folder back."""
        self._store.close()


def open_places(folder: Path) -> PicturePlaces:
    """Those of one stream worker; a folder of its own, as RocksDB takes one process per folder."""
    return PicturePlaces(BoundedStore(folder, PLACES_BYTES))
