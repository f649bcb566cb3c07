"""Listening to a router's live feed: when did searches show a change?"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from urllib.request import urlopen

import msgspec

from schemas.changes import CatalogChange, parse_time_us
from schemas.live import LiveItems, LiveKind, LiveStatus

REMEMBERED = 1024
SILENCE_S, RETRY_S = 30.0, 1.0
_KINDS: dict[str, tuple[LiveKind, ...]] = {
    "upsert": ("new", "picture"),
    "patch": ("attributes",),
    "delete": ("deleted",),
}
_event = msgspec.json.Decoder(LiveItems | LiveStatus)


class LiveEar(threading.Thread):
    """Hears the feed in the background, again after each interruption, until `stopped`."""

    def __init__(self, router: str, stopped: Callable[[], bool]) -> None:
        super().__init__(name="live-ear", daemon=True)
        self._url, self._stopped = f"{router}/v1/live", stopped
        self._heard: OrderedDict[tuple[str, int, LiveKind], float] = OrderedDict()
        self._news = threading.Condition()

    def delay_ms(self, change: CatalogChange, timeout_s: float) -> float | None:
        """From the change's event until searches showed it (an upsert: its picture); None when not heard in time."""
        assert change.time_us is not None
        wanted = [(change.item_id, change.time_us, kind) for kind in _KINDS[change.op]]
        with self._news:
            self._news.wait_for(lambda: self._stopped() or any(one in self._heard for one in wanted), timeout_s)
            return next((self._heard[one] for one in wanted if one in self._heard), None)

    def run(self) -> None:
        while not self._stopped():
            try:
                with urlopen(self._url, timeout=SILENCE_S) as answer:
                    self._listen(answer)
            except (OSError, HTTPException, msgspec.MsgspecError):
                threading.Event().wait(RETRY_S)

    def _listen(self, answer: HTTPResponse) -> None:
        for line in answer:
            if self._stopped():
                return
            if not line.startswith(b"data: "):
                continue
            event = _event.decode(line.removeprefix(b"data: "))
            if isinstance(event, LiveItems):
                self._remember(event)

    def _remember(self, event: LiveItems) -> None:
        with self._news:
            for item in event.items:
                self._heard[item.item_id, parse_time_us(item.event_time), item.kind] = item.delay_ms
                if len(self._heard) > REMEMBERED:
                    self._heard.popitem(last=False)
            self._news.notify_all()
