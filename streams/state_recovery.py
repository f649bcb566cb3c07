"""Rebuilding a partition's file of states from its log, in which an older record may lie behind a newer one.

The log's last record of an item is its state, unless a paused owner woke up and wrote it: then the join of both is, and
the log is to be told so. The usual record, written over the one before, is known by the offsets that it has applied.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
from rocksdict import WriteBatch

from schemas.forgetting import forgotten_as_of
from schemas.item_state import ItemState, Stamp, decode_state, encode_state, join
from streams.delete_markers import marker_stamp, note_marker

MAX_BEHIND = 100_000


class _Applied(msgspec.Struct, frozen=True):
    """The part of a state that tells which changes it has seen."""

    origins: dict[int, int] = {}


_applied = msgspec.json.Decoder(_Applied)


class Logged(NamedTuple):
    """A record of the log: `forgotten` is the stamp a null speaks of, `time_us` when a marker counts as written."""

    key: bytes
    value: bytes | None
    forgotten: Stamp | None
    time_us: int


class StateRecovery:
    """Knows, per partition, of which items the file has more than the log's last record.

    More than `MAX_BEHIND` items of a partition are not remembered: no pause makes so many.
    """

    def __init__(self) -> None:
        self._behind: dict[int, dict[bytes, None]] = {}

    def begin(self, partition: int) -> None:
        """The partition is assigned anew."""
        self._behind[partition] = {}

    def take_behind(self, partitions: Iterable[int], limit: int) -> Iterator[tuple[int, bytes]]:
        """Partition and item of some records to be written again; each is named once."""
        for partition in partitions:
            items = self._behind.get(partition, {})
            while items and limit > 0:
                limit -= 1
                yield partition, items.popitem()[0]

    def apply(self, db: Any, partition: int, messages: Iterable[Any]) -> None:
        """Take records of the partition's log, in their order, into its file."""
        db.write(joined(db, map(_logged, messages), self._behind.setdefault(partition, {})))


def joined(db: Any, records: Iterable[Logged], behind: dict[bytes, None]) -> WriteBatch:
    """What is to be written to a file of states, so that it has all that these records have, taken in their order.

    `behind` gets the items of which the last of the records has not all, and loses those of which it has.
    """
    batch, fresh = WriteBatch(raw_mode=True), dict[bytes, bytes | None]()
    for key, value, forgotten, time_us in records:
        held = fresh[key] if key in fresh else db.get(key)
        kept = fresh[key] = newest_of(held, value, forgotten)
        if kept == value:
            behind.pop(key, None)
        elif len(behind) < MAX_BEHIND:
            behind[key] = None
        if kept is None:
            batch.delete(key)
        elif kept != held:
            batch.put(key, kept)
            if marker_stamp(kept) is not None:
                note_marker(batch, key, kept, time_us)
    return batch


def newest_of(held: bytes | None, value: bytes | None, as_of: Stamp | None) -> bytes | None:
    """What an item's state is once the log shows this value over what was held, both encoded; None: forgotten.

    It is `value` itself where that holds all there is to know, and `held` itself where `value` adds nothing. A null
    forgets what was held at the stamp `as_of` or before, and nothing where it does not say.
    """
    if held is None or held == value:
        return value
    if value is None:
        newest = decode_state(held).newest
        return None if as_of is not None and (newest is None or newest <= as_of) else held
    try:
        if _contains(_applied.decode(value).origins, _applied.decode(held).origins):
            return value
        before, after = decode_state(held), decode_state(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return held
    return _joined(held, before, value, after)


def _joined(held: bytes, before: ItemState, value: bytes, after: ItemState) -> bytes:
    both = join(before, after)
    return held if both == before else value if both == after else encode_state(both)


def _contains(origins: dict[int, int], others: dict[int, int]) -> bool:
    return all(origins.get(partition, -1) >= offset for partition, offset in others.items())


def _logged(message: Any) -> Logged:
    """Of one of Faust's messages, whose headers are pairs or a mapping."""
    pairs = message.headers.items() if isinstance(message.headers, dict) else message.headers
    forgotten = forgotten_as_of(pairs) if message.value is None else None
    return Logged(message.key, message.value, forgotten, round((message.timestamp or 0.0) * 1_000_000))
