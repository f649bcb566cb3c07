"""A bulk writer's pace: it sends what the readers can take, and leaves the room for live changes free."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import structlog

from ops.load_lag import Lag
from ops.load_window import LoadWindow
from schemas.errors import LookaliveError

log = structlog.get_logger()

T = TypeVar("T")
LOOK_EVERY_S, WAIT_S, STOP_S = 0.3, 0.2, 2.0
CREDIT_S, SHORTEST_SLEEP_S = 0.05, 0.005
STANDSTILL_S = 5.0
SHARE = 0.05
"""Of what gets done, the share that a bulk always has, however many live changes there are."""


class PaceBook:
    """Who may send when, without clocks and threads of its own: changes sent, those on their way, and the window.

    `enforced` is False for a writer that is only watched.
    """

    def __init__(self, window: LoadWindow, *, enforced: bool = True) -> None:
        self.window, self.sent, self.enforced = window, 0, enforced
        self.lag: Lag | None = None
        self._on_way, self._sent_at_look, self._allowance = 0, 0, 0
        self._limited = False
        self._due_s = self._moved_s = float("-inf")

    @property
    def on_way(self) -> int:
        """Changes on their way, everybody's: as last seen, and what was sent since."""
        return self._on_way + self.sent - self._sent_at_look

    def standstill(self, time_s: float) -> str:
        """What is waited for, in words, where nothing got done for some seconds and the window is full."""
        full = self.enforced and self.on_way >= self.window.rows
        if self.lag is None or not full or time_s - self._moved_s < STANDSTILL_S:
            return ""
        return f"waiting for {self.lag.waiting:,} changes to be {self.lag.slowest()}"

    def looked(self, time_s: float, lag: Lag, unsent: int, sent: int) -> None:
        """What was seen when `sent` changes had been handed over, `unsent` of which the broker had not acknowledged."""
        done = 0 if self.lag is None else max(lag.done - self.lag.done, 0)
        if done or self.lag is None:
            self._moved_s = time_s
        self.lag, self._on_way, self._sent_at_look = lag, lag.waiting + unsent, sent
        self._allowance = int(done * SHARE)
        self.window.learn(time_s, lag.changes + unsent, lag.done, self._limited)
        self._limited = False

    def delay_s(self, time_s: float) -> float | None:
        """Seconds until one more may be sent, 0 for now; None: not before the next look.

        Within the window the changes are spread, since those that come at once are in each other's way.
        """
        if not self.enforced:
            return 0.0
        if self.on_way >= self.window.rows and self.sent - self._sent_at_look >= self._allowance:
            self._limited = True
            return None
        return max(self._due_s - time_s, 0.0)

    def note_sent(self, time_s: float) -> None:
        """One change was sent."""
        self.sent += 1
        pace = self.window.pace_per_s
        if pace is not None:
            pace = max(pace, self._allowance / LOOK_EVERY_S)
            self._due_s = max(self._due_s, time_s - CREDIT_S) + 1 / pace


class LoadPacer:
    """Lets changes through at the book's pace while a thread looks every third of a second at what is on its way.

    Where nobody can be asked, what was known last goes on to hold: the writer waits once its window is full.
    """

    def __init__(
        self, look: Callable[[], Lag], unsent: Callable[[], int], *, enforced: bool, on_wait: Callable[[], None]
    ) -> None:
        self.book = PaceBook(LoadWindow(), enforced=enforced)
        self._look, self._unsent, self._on_wait = look, unsent, on_wait
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._follow, name="load-pacer", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End the looks."""
        self._stopped.set()
        self._thread.join(STOP_S)

    def words(self, sent: int) -> str:
        """How many of so many changes have surely been applied, and what is waited for where nothing moves."""
        with self._changed:
            known, on_way, standstill = self.book.lag, self.book.on_way, self.book.standstill(time.monotonic())
        if known is None:
            return ""
        return f"{max(sent - on_way, 0):,} applied" + (f"; {standstill}" if standstill else "")

    def paced(self, changes: Iterable[T]) -> Iterator[T]:
        """The same, each as soon as it may be sent."""
        for change in changes:
            self.wait()
            yield change

    def wait(self) -> None:
        """Return when one more change may be sent, and count it; what ended the looks is raised here."""
        while True:
            with self._changed:
                if self._failure is not None:
                    raise self._failure
                now_s = time.monotonic()
                delay_s = self.book.delay_s(now_s)
                if delay_s is not None and delay_s < SHORTEST_SLEEP_S:
                    self.book.note_sent(now_s)
                    return
                self._changed.wait(WAIT_S if delay_s is None else min(delay_s, WAIT_S))
            self._on_wait()

    def _follow(self) -> None:
        try:
            self._look_on()
        except BaseException as error:  # noqa: BLE001  handed to the one who waits
            with self._changed:
                self._failure = error
                self._changed.notify()

    def _look_on(self) -> None:
        while not self._stopped.is_set():
            sent, unsent = self.book.sent, self._unsent()
            try:
                lag = self._look()
            except LookaliveError as error:
                log.debug("lag_unknown", error=str(error))
            else:
                with self._changed:
                    self.book.looked(time.monotonic(), lag, unsent, sent)
                    self._changed.notify()
            self._stopped.wait(LOOK_EVERY_S)
