"""Virtual time: what is to happen, in the order of its moments."""

import heapq
import random
from collections.abc import Callable
from itertools import count


class Clock:
    """Events by their moment in virtual seconds; `chance` is the only source of randomness of a history."""

    def __init__(self, seed: int) -> None:
        self.now_s = 0.0
        self.chance = random.Random(seed)  # noqa: S311 - a history must be the same again, not secret
        self._order = count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []

    def after(self, delay_s: float, event: Callable[[], None]) -> None:
        """Let something happen so much later."""
        heapq.heappush(self._events, (self.now_s + delay_s, next(self._order), event))

    def within(self, at_most_s: float, event: Callable[[], None]) -> None:
        """Let something happen at a moment of chance."""
        self.after(self.chance.uniform(0, at_most_s), event)

    def run(self, until_s: float) -> None:
        """Let everything happen up to this moment."""
        while self._events and self._events[0][0] <= until_s:
            self.now_s, _, event = heapq.heappop(self._events)
            event()
        self.now_s = until_s
