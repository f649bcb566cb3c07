"""How many changes may be on their way at once, so that a bulk of them holds up live ones by about a second.

A change waits behind everything that is before it in its partitions. A bulk writer therefore keeps what is on its way
under a window, and adapts the window to what the readers get done, as background transports do (LEDBAT, RFC 6817: grow
by the distance of the delay from a target, cut above it; the sending is spread over the delay, as TCP's is). Two things
differ from a network:

- What readers have done may be seen only when they commit it, twice a second. The shortest delay seen lately counts,
  just behind a commit; never more than Little's law gives (what is on its way, by what gets done a second).
- Slow pictures make a change take long without holding up others. The shortest delay of the last half minute is taken
  for such a base, and `SLACK_S` more is allowed. A cut empties a queue again and again, which keeps a standing one from
  passing for a base: bases that are none settle below `CUT / (1 - CUT) * SLACK_S`.
"""

import math
from collections import deque
from statistics import fmean
from typing import NamedTuple

TARGET_S, SLACK_S = 0.6, 0.4
FIRST_ROWS, LEAST_ROWS, MOST_ROWS = 64, 32, 200_000
GROW_FAST, GROW, CUT, DEEPEST_CUT = 0.5, 0.2, 0.6, 0.25
PACE, FAST_PACE, LEAST_USUAL_S = 1.2, 2.0, 0.3
BOTTOM_S, RATE_S, LEAST_RATE_S, BASE_S, MOST_BASE_S = 1.25, 3.0, 1.0, 30.0, 10.0


class _Look(NamedTuple):
    """`written` and `done` are counts of changes since ever; `delay_s` is that of the change done last, if known."""

    time_s: float
    written: int
    done: int
    delay_s: float | None


class LoadWindow:
    """The window in changes, and what it has learnt: `rate_per_s` that get done, `delay_s` from written to done."""

    def __init__(self, target_s: float = TARGET_S) -> None:
        self.rows = FIRST_ROWS
        self.rate_per_s: float | None = None
        self.delay_s: float | None = None
        self.growing_fast = True
        self._target_s = self._limit_s = target_s
        self._base_s = self._usual_s = 0.0
        self._looks: deque[_Look] = deque()
        self._cut, self._settled_s = False, float("-inf")

    def learn(self, time_s: float, written: int, done: int, limited: bool) -> None:
        """Take one look into account: changes written and done, and whether the window held some back since the last.

        Without progress there is nothing to learn from: the window stays as it is.
        """
        before = self._looks[-1] if self._looks else None
        done = max(done, before.done if before is not None else done)
        progressed = before is not None and done > before.done
        delay_s = self._age_s(time_s, done) if progressed and done < written else None
        self._looks.append(_Look(time_s, written, done, delay_s))
        while len(self._looks) > 2 and time_s - self._looks[1].time_s >= BASE_S:
            self._looks.popleft()
        lately = [look for look in self._looks if time_s - look.time_s <= RATE_S]
        span_s = time_s - lately[0].time_s
        if not progressed or span_s < LEAST_RATE_S:
            return
        self.rate_per_s = (done - lately[0].done) / span_s
        lately = [look for look in lately if time_s - look.time_s <= BOTTOM_S]
        delays = [look.delay_s for look in lately if look.delay_s is not None]
        # What was written before a cut is late, though little is on its way by now; then Little's law knows better.
        self.delay_s = min([*delays, min(look.written - look.done for look in lately) / self.rate_per_s])
        self._usual_s = fmean(delays) if delays else 0.0
        known = (look.delay_s for look in self._looks if look.delay_s is not None)
        self._base_s = min(min(known, default=0.0), MOST_BASE_S)
        self._limit_s = max(self._target_s, self._base_s + SLACK_S)
        self._adapt(time_s, max(look.written - look.done for look in lately), limited)

    @property
    def pace_per_s(self) -> float | None:
        """How fast to send within the window: a window in about the usual delay, as TCP paces; None: at once."""
        if self.delay_s is None:
            return None
        gain = FAST_PACE if self.growing_fast else PACE
        return gain * self.rows / max(min(self._usual_s, self._limit_s), LEAST_USUAL_S)

    def _age_s(self, time_s: float, done: int) -> float:
        """How long ago the change that was done last was written, between the two looks where its count came up."""
        earlier = self._looks[0]
        for look in self._looks:
            if look.written >= done:
                share = (done - earlier.written) / max(look.written - earlier.written, 1)
                return time_s - earlier.time_s - share * (look.time_s - earlier.time_s)
            earlier = look
        return time_s - earlier.time_s

    def _adapt(self, time_s: float, peak: int, limited: bool) -> None:
        assert self.delay_s is not None
        limit_s = self._limit_s
        if self._cut and self._looks[-1].written - self._looks[-1].done > self.rows:
            self._settled_s = time_s + BOTTOM_S
        if time_s < self._settled_s:
            return
        queued = self.delay_s > max(limit_s / 2, self._base_s + SLACK_S / 2)
        self.growing_fast = self.growing_fast and not queued
        if self.delay_s > limit_s:
            cut = max(CUT * limit_s / self.delay_s, DEEPEST_CUT)
            self.rows = max(round(cut * min(self.rows, peak)), LEAST_ROWS)
            self._cut, self._settled_s = True, time_s + BOTTOM_S
            return
        self._cut = False
        if limited:
            gain = GROW_FAST if self.growing_fast else GROW * (1 - self.delay_s / limit_s)
            self.rows = min(math.ceil(self.rows * (1 + gain)), MOST_ROWS)
