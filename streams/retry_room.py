"""Whether `catalog.retries` can take more: on a broker that drops its oldest records, no more than it surely keeps."""

import asyncio
import time
from collections.abc import Callable

import structlog

from schemas.backlog import Gate

FULL_FOR_S, ASK_AGAIN_S = 2.0, 0.1

log = structlog.get_logger()


class RetryRoom:
    """Asks the gate of `catalog.retries`; nobody waits there for room, since live items would wait with them."""

    def __init__(self, gate: Gate, clock: Callable[[], float] = time.monotonic) -> None:
        self._gate = gate
        self._clock = clock
        self._full_until_s = 0.0

    async def there(self) -> bool:
        """Whether there is room; waits only for a broker that does not answer."""
        if self._clock() < self._full_until_s:
            return False
        while self._gate.must_ask() and not await asyncio.to_thread(self._gate.ask):
            if self._gate.over_budget:
                self._full_until_s = self._clock() + FULL_FOR_S
                log.warning("retries_full", effect="what cannot be fetched is rejected at once")
                return False
            await asyncio.sleep(ASK_AGAIN_S)
        return True

    def note(self, size_bytes: int) -> None:
        """A record of that many bytes was produced."""
        self._gate.note(size_bytes)
