"""The last stage of a change as this router sees it: how long until it saw that searches show it."""

import time
from collections.abc import Callable, Collection, Iterable
from typing import Literal

from cachetools import LRUCache

from query_router.change_fate import Written
from query_router.metrics import RouterMetrics
from schemas.canary import is_canary
from schemas.item_trace import ItemTrace
from schemas.live import NodeNews

Source = Literal["write", "live", "canary"]
CANARIES = 256


class FreshnessNotes:
    """Counts changes that were waited for, heard of in the live feed, or searched for by a canary.

    Of the first two the shard says when searches began to show them, which is `seen`; `total` is from the event on.
    """

    def __init__(self, metrics: RouterMetrics, clock_us: Callable[[], int] = lambda: time.time_ns() // 1000) -> None:
        self._seconds, self._clock_us = metrics.fresh_seconds, clock_us
        self._flying: LRUCache[str, int] = LRUCache(CANARIES)

    def shown(self, written: Written, traces: Iterable[ItemTrace | None]) -> None:
        """A change that somebody waited for is shown by every replica that serves its item."""
        shown_us = max((trace.searchable_us for trace in traces if trace is not None), default=0)
        source: Source = "canary" if is_canary(written.change.item_id) else "write"
        self._flying.pop(written.change.item_id, None)
        self._note(source, written.change.op, written.time_us, shown_us)

    def heard(self, news: Iterable[NodeNews]) -> None:
        """Changes that the live feed tells of, the first time it hears of them."""
        for one in news:
            self._note("live", one.kind, one.event_us, one.searchable_us)

    def wrote(self, written: Written) -> None:
        """A change was written; a canary's is looked for in searches from now on."""
        if is_canary(written.change.item_id) and written.change.op == "upsert":
            self._flying[written.change.item_id] = written.time_us

    def found(self, item_ids: Collection[str]) -> None:
        """A search that may find canaries has found these items."""
        for item_id in item_ids:
            if is_canary(item_id) and (event_us := self._flying.pop(item_id, 0)):
                self._note("canary", "upsert", event_us, 0)

    def _note(self, source: Source, kind: str, event_us: int, shown_us: int) -> None:
        now_us = self._clock_us()
        if shown_us:
            self._seconds.labels(source, "seen", kind).observe(max(now_us - shown_us, 0) / 1e6)
        self._seconds.labels(source, "total", kind).observe(max(now_us - event_us, 0) / 1e6)
