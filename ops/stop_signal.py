"""Being told to stop by SIGTERM or SIGINT."""

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupted(BaseException):
    """Raised in the middle of what `Stop.interrupting` surrounds; no error, so that nobody takes it for one."""


class Stop:
    """Set once, waited for by any number of threads.

    A signal's handler runs in the middle of whatever the main thread does. An event of `threading` has a lock, and a
    handler that sets it while the main thread is inside its `wait` never returns; a byte in a pipe needs none.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._set = False
        self._interrupts = False

    def set(self) -> None:
        """Wake everyone who waits, now and later; may be called from a signal's handler, and again."""
        if not self._set:
            self._set = True
            os.write(self._write, b"!")
            if self._interrupts:
                raise Interrupted

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """What the main thread does inside is broken off by a signal, wherever it is in Python; one set before as well.

        Raises:
            Interrupted: it was set.
        """
        self._interrupts = True
        try:
            if self._set:
                raise Interrupted
            yield
        finally:
            self._interrupts = False

    def is_set(self) -> bool:
        """Whether it was set."""
        return self._set

    def wait(self, timeout_s: float) -> bool:
        """Whether it is set, at the latest after so many seconds."""
        if not self._set:
            # Nobody reads the byte, so that it wakes all.
            select.select([self._read], [], [], timeout_s)
        return self._set


@contextmanager
def stopped_by_signals() -> Iterator[Stop]:
    """What SIGTERM and SIGINT set while the context lasts."""
    stop = Stop()
    previous = {s: signal.signal(s, lambda *_: stop.set()) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
