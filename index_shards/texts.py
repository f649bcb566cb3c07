"""A column of short texts: as Python strings they would take some 60 bytes more each."""

from collections.abc import Iterator, Sequence

import numpy as np

from index_shards.candidates import Int64Array
from index_shards.columns import Column

# A text's place: where it starts, the room there, and how much of it is used, in bytes.
_START_SHIFT, _ROOM_SHIFT = 24, 12
MOST_BYTES = (1 << _ROOM_SHIFT) - 1
_ROOM_STEP = 8


class TextColumn:
    """Texts by number, empty at first.

    A text that is set in another's place takes its room if it fits; else the room is lost, so that numbers should be
    used again for texts of about the same length, as ids of one catalogue are.
    """

    def __init__(self) -> None:
        self._places = Column(np.uint64)
        self._bytes = bytearray()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        return (self[number] for number in range(self._count))

    def __getitem__(self, number: int) -> str:
        place = int(self._places.values[number])
        start = place >> _START_SHIFT
        return self._bytes[start : start + (place & MOST_BYTES)].decode()

    def __setitem__(self, number: int, text: str) -> None:
        encoded = text.encode()
        size = len(encoded)
        if size > MOST_BYTES:
            raise ValueError(f"a text of {size} bytes; at most {MOST_BYTES} are kept")
        place = int(self._places.values[number])
        start, room = place >> _START_SHIFT, place >> _ROOM_SHIFT & MOST_BYTES
        if size > room:
            start, room = len(self._bytes), min(-(-size // _ROOM_STEP) * _ROOM_STEP, MOST_BYTES)
            self._bytes += bytes(room)
        self._bytes[start : start + size] = encoded
        self._places.values[number] = start << _START_SHIFT | room << _ROOM_SHIFT | size

    def fill(self, numbers: Int64Array, texts: Sequence[str]) -> None:
        """Set texts, as many as numbers of shape (n,), in places that had none; quicker than one by one."""
        encoded = [text.encode() for text in texts]
        sizes = np.fromiter(map(len, encoded), np.int64, len(encoded))
        if sizes.max(initial=0) > MOST_BYTES:
            raise ValueError(f"a text of {sizes.max()} bytes; at most {MOST_BYTES} are kept")
        rooms = np.minimum(-(-sizes // _ROOM_STEP) * _ROOM_STEP, MOST_BYTES)
        starts = len(self._bytes) + np.cumsum(rooms) - rooms
        self._bytes += b"".join([text.ljust(room, b"\0") for text, room in zip(encoded, rooms.tolist(), strict=True)])
        self._places.values[numbers] = starts << _START_SHIFT | rooms << _ROOM_SHIFT | sizes

    def reach(self, length: int) -> None:
        """Make it at least this long."""
        self._places.reach(length)
        self._count = max(self._count, length)
