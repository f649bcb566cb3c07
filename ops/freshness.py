"""How long changes took from event to searchable, as the router says for each item."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

import msgspec

from schemas.queries import ItemAnswer

ANSWER_TIMEOUT_S = 10.0
ASKERS = 4


class Delays(msgspec.Struct, frozen=True, kw_only=True):
    """Delays of the items that were found, in milliseconds."""

    asked: int
    found: int
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    max_ms: float = 0.0

    def sentence(self) -> str:
        """For people."""
        spread = f"p50 {self.p50_ms:.0f} ms, p95 {self.p95_ms:.0f} ms, max {self.max_ms:.0f} ms"
        return f"event to searchable over {self.found} items: {spread}"


def item_delay_ms(router: str, item_id: str) -> float | None:
    """Milliseconds from an item's newest event to its being searchable; None while it cannot be found."""
    try:
        with urlopen(f"{router}/v1/items/{quote(item_id, safe='')}", timeout=ANSWER_TIMEOUT_S) as answer:
            item = msgspec.json.decode(answer.read(), type=ItemAnswer)
    except (URLError, OSError, msgspec.DecodeError):
        return None
    delay = datetime.fromisoformat(item.searchable_at) - datetime.fromisoformat(item.event_time)
    return delay.total_seconds() * 1000


def sampled_delays(router: str, item_ids: Iterable[str]) -> Delays:
    """The delays of these items."""
    asked = list(item_ids)
    with ThreadPoolExecutor(ASKERS) as pool:
        found = [ms for ms in pool.map(lambda item_id: item_delay_ms(router, item_id), asked) if ms is not None]
    if not found:
        return Delays(asked=len(asked), found=0)
    import numpy as np

    p50, p95, worst = (float(v) for v in np.percentile(found, [50, 95, 100]))
    return Delays(asked=len(asked), found=len(found), p50_ms=p50, p95_ms=p95, max_ms=worst)
