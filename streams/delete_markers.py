"""When deleted items may be forgotten: a queue by time, kept in the file of the states it speaks of.

An entry is b"\\0m", the microseconds since the epoch at which the marker was written (8 bytes, the highest first), and
the item's id; its value is a digest of the marker. It counts only while the item's state still is that marker: an item
that was changed since has a later entry, or lives. Item ids hold no control characters, so that no item's key is met.
"""

import hashlib
from typing import Any, NamedTuple

import msgspec
from rocksdict import WriteBatch

from schemas.item_state import ItemState, Stamp, decode_state

PREFIX = b"\0m"
_TIME_BYTES, _DIGEST_BYTES = 8, 8
_LATEST_US = 2**63 - 1


class Marker(NamedTuple):
    """An entry of the queue: its own key, the item's, and the digest of its state."""

    key: bytes
    item: bytes
    digest: bytes


def is_marker(state: ItemState) -> bool:
    """Whether nothing is left of the item but that it was deleted, and patches that nobody sees."""
    return state.deleted is not None and not state.live


def marker_stamp(value: bytes | None) -> Stamp | None:
    """The newest stamp of an encoded state that is a marker; None for any other, and for what is no state."""
    if value is None or b'"deleted"' not in value:
        return None
    try:
        state = decode_state(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return state.newest if is_marker(state) else None


def note_marker(batch: WriteBatch, item: bytes, value: bytes, now_us: int) -> None:
    """Add the entry of a marker that is written now."""
    batch.put(PREFIX + max(now_us, 0).to_bytes(_TIME_BYTES, "big") + item, _digest(value))


def due_markers(db: Any, before_us: int, after: bytes, limit: int) -> list[Marker]:
    """The oldest entries from before that time, behind the key `after` (empty: the first)."""
    found: list[Marker] = []
    last = PREFIX + min(max(before_us, 0), _LATEST_US).to_bytes(_TIME_BYTES, "big")
    for key, digest in db.items(from_key=max(after, PREFIX)):
        if key >= last or len(found) == limit:
            break
        found.append(Marker(key, key[len(PREFIX) + _TIME_BYTES :], digest))
    return found


def still_holds(marker: Marker, value: bytes | None) -> bool:
    """Whether the item's state is the very marker that the entry was made for."""
    return value is not None and _digest(value) == marker.digest


def _digest(value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=_DIGEST_BYTES).digest()
