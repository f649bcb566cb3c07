"""A paced load against simulated readers: how much it keeps on its way, how fast it goes, how long live changes wait.

Time is simulated in steps of 10 ms. The readers get `capacity` changes a second done, each `base_s` after its turn, and
commit that every `commit_s`; a look is `LOOK_LATE_S` old when it arrives.
"""

from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.load_lag import Lag
from ops.load_pacer import LOOK_EVERY_S, SHARE, PaceBook
from ops.load_window import LEAST_ROWS, LoadWindow

STEP_S, LOOK_LATE_S, LARGEST_BURST = 0.01, 0.1, 300


class Simulation:
    """A load of `rows` beside `live` changes a second."""

    def __init__(
        self,
        capacity: float | Callable[[float], float],
        base_s: float = 0.2,
        commit_s: float = 0.5,
        live: float = 0.0,
        rows: int = 10_000_000,
        enforced: bool = True,
    ) -> None:
        self._capacity: Callable[[float], float] = capacity if callable(capacity) else lambda _: capacity
        self._base_s, self._commit_s, self._live, self._rows = base_s, commit_s, live, rows
        self.book = PaceBook(LoadWindow(), enforced=enforced)
        self.time_s, self.live_sent, self.served, self._committed = 0.0, 0.0, 0.0, 0.0
        self._served_at: deque[tuple[float, float]] = deque()
        self._looks: deque[tuple[float, Lag, int]] = deque()
        self._commit_due_s, self._look_due_s = commit_s, 0.0
        self.waits_s: list[float] = []
        self.over_window = 0

    @property
    def written(self) -> float:
        return self.book.sent + self.live_sent

    def run(self, seconds: float) -> "Simulation":
        for _ in range(round(seconds / STEP_S)):
            self._step()
        return self

    def _step(self) -> None:
        self.time_s += STEP_S
        capacity = self._capacity(self.time_s)
        self.live_sent += self._live * STEP_S
        self._send()
        self.served = min(self.served + capacity * STEP_S, self.written)
        self._served_at.append((self.time_s, self.served))
        while len(self._served_at) > 1 and self._served_at[1][0] <= self.time_s - self._base_s:
            self._served_at.popleft()
        if capacity:
            self.waits_s.append((self.written - self.served) / capacity)
        if self.time_s >= self._commit_due_s:
            self._commit_due_s += self._commit_s
            at_s, served = self._served_at[0]
            self._committed = served if at_s <= self.time_s - self._base_s else 0.0
        if self.time_s >= self._look_due_s:
            self._look_due_s += LOOK_EVERY_S
            lag = Lag(int(self.written), int(self.written) - int(self._committed))
            self._looks.append((self.time_s + LOOK_LATE_S, lag, self.book.sent))
        while self._looks and self._looks[0][0] <= self.time_s:
            _, lag, sent = self._looks.popleft()
            self.book.looked(self.time_s, lag, 0, sent)

    def _send(self) -> None:
        for _ in range(LARGEST_BURST):
            if self.book.sent >= self._rows or self.book.delay_s(self.time_s) != 0:
                return
            self.book.note_sent(self.time_s)
            self.over_window += self.book.on_way > self.book.window.rows

    def wait_s(self, share: float, since: int = 0) -> float:
        """That quantile of how long a live change waited for others."""
        return sorted(self.waits_s[since:])[round(share * (len(self.waits_s) - since - 1))]


@settings(max_examples=15, deadline=None)
@given(
    capacity=st.floats(5, 3000),
    base_s=st.floats(0.01, 2),
    commit_s=st.floats(0.05, 2),
    live=st.floats(0, 0.5),
)
def test_what_is_on_its_way_stays_within_the_window(
    capacity: float, base_s: float, commit_s: float, live: float
) -> None:
    simulation = Simulation(capacity, base_s, commit_s, live=live * capacity)
    for _ in range(40):
        simulation.run(0.5)
        book = simulation.book
        unseen = live * capacity * (LOOK_EVERY_S + LOOK_LATE_S + 2 * STEP_S) + 2
        assert simulation.written - simulation.served <= book.on_way + unseen
        assert simulation.over_window <= SHARE * simulation.served + 1
    assert simulation.book.sent >= LEAST_ROWS


@settings(max_examples=15, deadline=None)
@given(capacity=st.floats(10, 3000), base_s=st.floats(0.01, 4), commit_s=st.floats(0.05, 3), live=st.floats(0, 0.5))
def test_a_load_ends_as_long_as_its_readers_go_on(capacity: float, base_s: float, commit_s: float, live: float) -> None:
    simulation = Simulation(capacity, base_s, commit_s, live=live * capacity, rows=300)
    while simulation.book.sent < 300:
        simulation.run(1)
        assert simulation.time_s < 180
    assert simulation.book.sent == 300


def test_readers_that_stop_are_waited_for_and_gone_on_with() -> None:
    simulation = Simulation(lambda time_s: 0 if 20 < time_s < 50 else 1000)
    simulation.run(21)
    window, sent = simulation.book.window.rows, simulation.book.sent
    simulation.run(28)
    assert simulation.book.sent - sent <= window
    stopped_at = simulation.book.sent
    assert simulation.run(1).book.sent == stopped_at
    assert simulation.book.standstill(simulation.time_s).startswith("waiting for")
    simulation.run(15)
    assert simulation.book.sent > sent + 5 * window
    assert simulation.book.standstill(simulation.time_s) == ""


@pytest.mark.parametrize("capacity", [100, 1500, 6_000])
@pytest.mark.parametrize("commit_s", [0.1, 0.5, 1.0])
def test_a_load_finds_the_readers_speed_and_live_changes_wait_about_a_second(capacity: int, commit_s: float) -> None:
    simulation = Simulation(capacity, commit_s=commit_s).run(30)
    served, steps = simulation.served, len(simulation.waits_s)
    simulation.run(45)
    assert simulation.served - served >= 0.9 * 45 * capacity
    assert simulation.wait_s(0.5, steps) < 1.0
    assert simulation.wait_s(0.99, steps) < 1.7
    if capacity == 1500 and commit_s == 0.5:
        unpaced = Simulation(capacity, enforced=False).run(30)
        assert unpaced.wait_s(0.5) > 5


def test_pictures_that_take_long_without_holding_others_up_slow_nothing_to_a_crawl() -> None:
    simulation = Simulation(1000, base_s=3.0).run(30)
    served = simulation.served
    simulation.run(90)
    assert simulation.served - served > 0.5 * 90 * 1000


def test_a_system_that_becomes_slow_is_left_alone_until_it_has_caught_up() -> None:
    simulation = Simulation(lambda time_s: 2000 if time_s < 40 else 200)
    simulation.run(60)
    steps = len(simulation.waits_s)
    simulation.run(40)
    assert simulation.wait_s(0.9, steps) < 2.0


def test_live_changes_that_fill_the_window_leave_a_bulk_its_share() -> None:
    simulation = Simulation(1000, live=1000)
    simulation.run(60)
    sent = simulation.book.sent
    simulation.run(20)
    assert 0.5 * SHARE * 20 * 1000 < simulation.book.sent - sent < 2 * SHARE * 20 * 1000


def test_an_unpaced_load_is_only_watched() -> None:
    simulation = Simulation(100, enforced=False, rows=20_000).run(10)
    assert simulation.book.sent == 20_000
    assert 18_000 < simulation.book.on_way < 20_000
