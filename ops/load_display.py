"""How a long load is shown: one line kept current on a terminal, a plain line every few seconds anywhere else."""

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

SHOW_EVERY_S, LINE_EVERY_S, RATE_OVER_S = 0.2, 5.0, 20.0
MINUTE_S, HOUR_S = 60, 3600


class LoadMeter:
    """Rows so far, out of how many, and how fast over the last seconds."""

    def __init__(self, total: int | None, rows: int, time_s: float) -> None:
        self.total, self.rows = total, rows
        self._marks = deque([(time_s, rows)])

    def note(self, time_s: float, rows: int) -> None:
        """So many rows by now."""
        self.rows = rows
        self._marks.append((time_s, rows))
        while len(self._marks) > 2 and time_s - self._marks[1][0] >= RATE_OVER_S:
            self._marks.popleft()

    @property
    def rate_per_s(self) -> float:
        """Rows a second."""
        (began_s, first), (ended_s, last) = self._marks[0], self._marks[-1]
        return (last - first) / (ended_s - began_s) if ended_s > began_s else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds that the rest takes at this rate; None while that is unknown."""
        if self.total is None or not self.rate_per_s:
            return None
        return max(self.total - self.rows, 0) / self.rate_per_s

    def words(self, verb: str, note: str) -> str:
        """The plain line: `sending: 12,000 of 1,000,000 rows (1 %), 1,480/s, about 11 min left; 11,400 applied`."""
        rows = f"{self.rows:,}" if self.total is None else f"{self.rows:,} of {self.total:,}"
        share = f" ({100 * self.rows / self.total:.0f} %)" if self.total else ""
        words = [f"{verb}: {rows} rows{share}", f"{self.rate_per_s:,.0f}/s"]
        if self.left_s is not None:
            words.append(f"about {duration(self.left_s)} left")
        return ", ".join(words) + (f"; {note}" if note else "")


def duration(seconds: float) -> str:
    """`8 s`, `3 min`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 2 * MINUTE_S:
        return f"{whole} s"
    if whole < HOUR_S:
        return f"{round(whole / MINUTE_S)} min"
    return f"{whole // HOUR_S} h {whole % HOUR_S // MINUTE_S:02d} min"


class LoadDisplay:
    """Shows one stage after the other on standard error; standard output stays the summary's."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._clock = console, clock
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._verb, self._shown_s, self._spoke = "", float("-inf"), False
        self._meter = LoadMeter(None, 0, clock())

    def begin(self, verb: str, total: int | None, rows: int = 0) -> None:
        """A stage begins: `verb` what, out of how many (None: nobody knows), and how many were there before."""
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
        from rich.table import Column

        self.stop()
        self._verb, self._shown_s, self._spoke = verb, self._clock(), False
        self._meter = LoadMeter(total, rows, self._shown_s)
        if self._console.is_terminal:
            words = TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis"))
            self._bar = Progress(SpinnerColumn(), BarColumn(bar_width=20), words, console=self._console)
            self._task = self._bar.add_task(self._meter.words(verb, ""), total=total, completed=rows)
            self._bar.start()

    def due(self) -> bool:
        """Whether it is time to show something new."""
        return self._clock() - self._shown_s >= (LINE_EVERY_S if self._bar is None else SHOW_EVERY_S)

    def show(self, rows: int, note: str = "", total: int | None = None) -> None:
        """So many rows by now, and a remark; `total` where it has changed."""
        self._shown_s, self._spoke = self._clock(), True
        if total is not None:
            self._meter.total = total
        self._meter.note(self._shown_s, rows)
        line = self._meter.words(self._verb, note)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=line, completed=rows, total=self._meter.total)
        else:
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def end(self, rows: int, note: str = "") -> None:
        """The last of a stage; what was over before anything was shown stays unsaid where there is no bar."""
        if self._bar is not None or self._spoke:
            self.show(rows, note)

    def stop(self) -> None:
        """The line stays as it is; nothing is left of a bar that was never there."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None
