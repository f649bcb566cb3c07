"""Moving vectors from the fresh buffer into the graph, and waiting where the disk takes none."""

from collections.abc import Callable

import structlog

from index_shards.tiers import Tiers
from schemas.errors import DiskFailed

log = structlog.get_logger()

# How long nothing is tried after the disk was full or failed.
WAIT_US = 2_000_000


class Draining:
    """Of one shard's buffer; `error` says why it waits, None where it does not. `clock_us` as in `Shard`.

    What waits is in the buffer, which is searched; once that is full, its filler waits as well.
    """

    def __init__(self, clock_us: Callable[[], int]) -> None:
        self.error: str | None = None
        self._clock_us = clock_us
        self._after_us = 0

    def movable(self, tiers: Tiers) -> int:
        """How many vectors are in the buffer for `move`; 0 while it would move none."""
        waits = len(tiers.buffer) < tiers.drains_from or self._clock_us() < self._after_us
        return 0 if waits else len(tiers.buffer)

    def move(self, tiers: Tiers, count: int, flush: bool) -> int:
        """Move up to `count` vectors; how many. `flush` as in `Tiers.drain`."""
        if self._clock_us() < self._after_us:
            return 0
        try:
            moved = tiers.drain(count, flush)
        except DiskFailed as error:
            self.error, self._after_us = f"draining waits: {error.message}", self._clock_us() + WAIT_US
            log.warning("draining_waits", reason=error.message)
            return 0
        self.error, self._after_us = None, 0
        return moved
