"""A bounded memory of what searches show since just now, for whoever asks for the newest."""

import threading
import uuid
from collections import deque
from itertools import islice

from schemas.errors import InputError
from schemas.live import LiveKind, NodeLive, NodeNews

REMEMBERED, SENT = 512, 128


class NewsRing:
    """The newest changes of all shards of one node; noting one takes about a microsecond, whoever listens.

    A cursor is `<run>-<number>`: the number of the newest change seen, and a name for this run of the node, so that a
    cursor of an earlier run is known as one.
    """

    def __init__(self) -> None:
        self._run = uuid.uuid4().hex[:12]
        self._lock = threading.Lock()
        self._count = 0
        self._ring: deque[tuple[str, LiveKind, str, int, int, int]] = deque(maxlen=REMEMBERED)

    def note(
        self, item_id: str, kind: LiveKind, generation: str, shard: int, event_us: int, searchable_us: int
    ) -> None:
        """Remember one change; the oldest is forgotten for it."""
        with self._lock:
            self._count += 1
            self._ring.append((item_id, kind, generation, shard, event_us, searchable_us))

    def since(self, cursor: str) -> NodeLive:
        """What came after this cursor; with an empty one all that is remembered, the newest of it where it is much.

        Raises:
            InputError: not a cursor.
        """
        seen = self._seen(cursor)
        with self._lock:
            count, held = self._count, len(self._ring)
            wanted = min(count - (seen or 0), held, SENT)
            newest = list(islice(self._ring, held - wanted, held))
        return NodeLive(
            cursor=f"{self._run}-{count}",
            items=[NodeNews(*one) for one in newest],
            missed=0 if seen is None else count - seen - wanted,
        )

    def _seen(self, cursor: str) -> int | None:
        """The number in a cursor of this run; None for the empty one and those of other runs."""
        run, _, number = cursor.rpartition("-")
        if cursor and not (run and number.isascii() and number.isdecimal() and len(number) < 20):
            raise InputError("`since` is the `cursor` of an earlier answer", code="bad_cursor")
        return min(int(number), self._count) if run == self._run else None
