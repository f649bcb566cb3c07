"""Open-loop load: what is sent, is sent at its time, however long the answers before it took.

A client that waits for an answer before it asks again stops asking exactly while the system stalls, and so measures the
stall once instead of for everyone it hit ("coordinated omission", Gil Tene, "How not to measure latency", 2015). Here
every latency counts from the scheduled time. Arrivals are a Poisson process, whose arrivals see the system as it is on
average (R. Wolff, "Poisson arrivals see time averages", 1982), where evenly spaced ones could march in step.
"""

import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]


class Clock(Protocol):
    """Seconds that pass."""

    def now(self) -> float:
        """Seconds since some moment."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class WallClock:
    """The time of this machine."""

    def now(self) -> float:
        return time.perf_counter()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class Loop(NamedTuple):
    """What became of a schedule: each send's latency in seconds, shape (n,), and the seconds until the last ended."""

    latencies_s: Float64Array
    elapsed_s: float

    @property
    def per_second(self) -> float:
        """How many were done per second."""
        return len(self.latencies_s) / self.elapsed_s if self.elapsed_s > 0 else 0.0


def poisson_times(rate: float, seconds: float, seed: int) -> Float64Array:
    """Ascending send times in [0, seconds) of exactly round(rate * seconds) sends.

    Given how many there are, the arrivals of a Poisson process are independent and uniform.
    """
    return np.sort(np.random.default_rng(seed).uniform(0.0, seconds, round(rate * seconds)))


def run_open_loop(times_s: Float64Array, send: Callable[[int], object], clock: Clock, start_s: float) -> Loop:
    """Send number i at `start_s + times_s[i]`, or as soon after as the one before has ended."""
    latencies_s = np.empty(len(times_s))
    for number, offset_s in enumerate(times_s.tolist()):
        due_s = start_s + offset_s
        ahead_s = due_s - clock.now()
        if ahead_s > 0:
            clock.sleep(ahead_s)
        send(number)
        latencies_s[number] = clock.now() - due_s
    return Loop(latencies_s, clock.now() - start_s)
