"""The open loop: sends keep to their times, and a stall is counted against everyone it held up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.bench.open_loop import poisson_times, run_open_loop


class HeldClock:
    """Time that passes only by sleeping and by `spend`."""

    def __init__(self, now_s: float = 100.0) -> None:
        self.now_s = now_s
        self.slept: list[float] = []

    def now(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds

    def spend(self, seconds: float) -> None:
        self.now_s += seconds


def test_what_is_in_time_counts_from_its_sending() -> None:
    clock = HeldClock()
    loop = run_open_loop(np.array([0.0, 1.0, 2.5]), lambda _: clock.spend(0.25), clock, 100.0)
    assert loop.latencies_s.tolist() == [0.25, 0.25, 0.25]
    assert clock.slept == [0.75, 1.25]
    assert loop.elapsed_s == 2.75
    assert loop.per_second == pytest.approx(3 / 2.75)


def test_a_stall_is_counted_against_those_that_waited() -> None:
    clock = HeldClock()
    costs = [3.0, 0.5, 0.5, 0.5]
    loop = run_open_loop(np.array([0.0, 1.0, 2.0, 9.0]), lambda i: clock.spend(costs[i]), clock, 100.0)
    assert loop.latencies_s.tolist() == [3.0, 2.5, 2.0, 0.5]


def test_nothing_is_sent_before_its_time() -> None:
    clock = HeldClock(now_s=90.0)
    sent: list[float] = []
    run_open_loop(np.array([0.5, 0.75]), lambda _: sent.append(clock.now()), clock, 100.0)
    assert sent == [100.5, 100.75]


def test_nothing_to_send_is_no_rate() -> None:
    assert run_open_loop(np.array([]), lambda _: None, HeldClock(), 100.0).per_second == 0.0


@given(st.floats(0, 500), st.floats(0.1, 5), st.integers(0, 99))
def test_a_schedule_has_its_rate_and_its_order(rate: float, seconds: float, seed: int) -> None:
    times = poisson_times(rate, seconds, seed)
    assert len(times) == round(rate * seconds)
    assert np.all(np.diff(times) >= 0)
    assert not len(times) or (times[0] >= 0 and times[-1] < seconds)
    assert np.array_equal(times, poisson_times(rate, seconds, seed))


def test_gaps_are_those_of_a_poisson_process() -> None:
    gaps = np.diff(poisson_times(1000.0, 100.0, 7))
    # Exponential gaps: as large a deviation as a mean, and a share of 1/e above the mean.
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.02)
    assert (gaps > gaps.mean()).mean() == pytest.approx(np.exp(-1), abs=0.01)
