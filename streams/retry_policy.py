"""When pictures that could not be fetched are tried again, and when no more."""

import random
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from embedder.host_slots import HostDown
from schemas.errors import LookaliveError
from schemas.retry_settings import RetrySettings

SECOND_US = 1_000_000


class Tried(NamedTuple):
    """How often an item's pictures were tried, and when that failed first (microseconds since the epoch)."""

    attempts: int
    first_failed_us: int


class Again(NamedTuple):
    """The next time: not before this, after so many attempts, and the failure that it waits for."""

    not_before_us: int
    tried: Tried
    error: LookaliveError


def now_us() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


def was_asked(failures: Sequence[LookaliveError]) -> bool:
    """Whether any of these failures is more than a host that is left alone."""
    return any(not isinstance(failure, HostDown) for failure in failures)


class RetryPolicy:
    """Exponential back-off with jitter over the upper half ("equal jitter": Brooker, "Exponential Backoff And Jitter",
    AWS Architecture Blog, 2015).

    A host that is left alone costs no attempt: its items are put off until it may be asked again. What has waited as
    long as all back-offs together while its host is still left alone is given up.
    """

    def __init__(
        self,
        settings: RetrySettings,
        clock_us: Callable[[], int] = now_us,
        roll: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._clock_us = clock_us
        self._roll = roll

    def again(self, before: Tried | None, failures: Sequence[LookaliveError]) -> Again | None:
        """What follows from at least one failure of now; None: nothing, the pictures are given up.

        `before` is None when they were tried for the first time.
        """
        now = self._clock_us()
        tried = Tried(0, now) if before is None else before
        asked = [failure for failure in failures if not isinstance(failure, HostDown)]
        if not asked:
            return self._put_off(tried, failures, now)
        tried = tried._replace(attempts=tried.attempts + 1)
        if tried.attempts >= self._settings.attempts:
            return None
        wait_s = self.longest_wait_s(tried.attempts) * (1 - self._roll() / 2)
        return Again(now + round(wait_s * SECOND_US), tried, asked[-1])

    def longest_wait_s(self, attempts: int) -> float:
        """Seconds between this attempt (1 is the first) and the next at most; half as long at least."""
        doubled = self._settings.first_s * 2.0 ** min(attempts - 1, 64)
        return min(doubled, self._settings.longest_s)

    def patience_s(self) -> float:
        """All back-offs together, in seconds."""
        return sum(self.longest_wait_s(attempts) for attempts in range(1, self._settings.attempts))

    def _put_off(self, tried: Tried, failures: Sequence[LookaliveError], now: int) -> Again | None:
        if now - tried.first_failed_us >= self.patience_s() * SECOND_US or self._settings.attempts == 1:
            return None
        pause_s = max(failure.pause_s for failure in failures if isinstance(failure, HostDown))
        wait_s = pause_s + self._roll() * min(self._settings.first_s, self._settings.longest_s)
        return Again(now + round(wait_s * SECOND_US), tried, failures[-1])
