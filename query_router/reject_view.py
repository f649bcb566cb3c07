"""The newest refusals by item, in bounded memory: why a change that was written never showed up."""

import threading
from collections import OrderedDict, deque
from typing import NamedTuple

import msgspec

from schemas.changes import MAX_IMAGES, parse_time_us
from schemas.errors import ChangeRejected
from schemas.item_state import Stamp
from schemas.rejects import Reject
from schemas.topics import CHANGES

MAX_ITEMS, PER_ITEM = 10_000, 2 * MAX_IMAGES
MAX_MESSAGE_CHARS, MAX_IMAGE_CHARS = 300, 200


class SeenReject(NamedTuple):
    """One refusal. `partition` and `offset` are of the change in `catalog.changes`, -1 when a picture was refused.

    `version` and `event_us` are the change's, None where they could not be read; times are microseconds.
    """

    reason: str
    message: str
    time_us: int
    partition: int
    offset: int
    version: int | None
    event_us: int | None
    image: str | None

    def is_of(self, stamp: Stamp) -> bool:
        """Whether a picture that came with this stamp was refused."""
        return self.offset < 0 and (self.version, self.event_us) == (stamp.version, max(stamp.time_us, 0))


class _Original(msgspec.Struct):
    """What is read of the refused change."""

    version: int | None = None
    event_time: str | None = None


_original = msgspec.json.Decoder(_Original)


class RejectView:
    """The last refusals of the items refused last; one thread adds, any may read."""

    def __init__(self, max_items: int = MAX_ITEMS) -> None:
        self._max_items = max_items
        self._items: OrderedDict[str, deque[SeenReject]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, reject: Reject) -> None:
        """Take the next row; one without an item's id concerns nobody who asks by id."""
        if reject.item_id is None:
            return
        seen = _seen(reject)
        with self._lock:
            rows = self._items.pop(reject.item_id, None)
            rows = deque(maxlen=PER_ITEM) if rows is None else rows
            if seen not in rows:  # a row is written again after a crash
                rows.append(seen)
            self._items[reject.item_id] = rows
            while len(self._items) > self._max_items:
                self._items.popitem(last=False)

    def of(self, item_id: str) -> list[SeenReject]:
        """The item's refusals, oldest first."""
        with self._lock:
            return list(self._items.get(item_id, ()))


def _seen(reject: Reject) -> SeenReject:
    of_change = reject.origin.topic == CHANGES
    version, event_us = _version_and_time(reject.original)
    image = reject.details.get("image")
    return SeenReject(
        reason=reject.reason,
        message=reject.message[:MAX_MESSAGE_CHARS],
        time_us=reject.origin.time_us,
        partition=reject.origin.partition if of_change else -1,
        offset=reject.origin.offset if of_change else -1,
        version=version,
        event_us=event_us,
        image=None if image is None else image[:MAX_IMAGE_CHARS],
    )


def _version_and_time(original: str | None) -> tuple[int | None, int | None]:
    try:
        change = _original.decode(original or "{}")
        return change.version, None if change.event_time is None else parse_time_us(change.event_time)
    except (msgspec.DecodeError, ChangeRejected, RecursionError):
        return None, None
