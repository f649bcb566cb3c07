"""One calm line about a catalogue that keeps changing: rewritten in a terminal, now and then in a log."""

import statistics
import time
from collections import deque
from types import TracebackType

from rich.status import Status
from rich.text import Text

from ops.console import out
from ops.running import say

SAY_EVERY_S = 60.0
DELAYS = 100


class ChangeLine:
    """Tells of each change; `each` prints every one on a line of its own."""

    def __init__(self, each: bool) -> None:
        self._each = each
        self._status: Status | None = None if each or not out.is_terminal else out.status("", spinner="dots")
        self._delays: deque[float] = deque(maxlen=DELAYS)
        self._count, self._said_s = 0, 0.0

    def __enter__(self) -> "ChangeLine":
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def tell(self, sentence: str, gone: bool, delay_ms: float | None) -> None:
        """The next change: its sentence, and milliseconds until searches showed it (None: not seen yet)."""
        self._count += 1
        if delay_ms is not None:
            self._delays.append(delay_ms)
        what = "gone" if gone else "searchable"
        text = f"{sentence}: " + ("not seen yet" if delay_ms is None else f"{what} after {delay_ms:.0f} ms")
        if self._each:
            say(f"  {text}")
        elif self._status is not None:
            self._status.update(Text(f"{text}   {self._summary()}", overflow="ellipsis", no_wrap=True))
        elif time.monotonic() - self._said_s > SAY_EVERY_S:
            self._said_s = time.monotonic()
            say(f"  {text}   {self._summary()}")

    def _summary(self) -> str:
        typical = f", typically after {statistics.median(self._delays):.0f} ms" if self._delays else ""
        return f"({self._count} change{'' if self._count == 1 else 's'} so far{typical})"
