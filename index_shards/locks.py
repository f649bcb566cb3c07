"""A lock for many readers or one writer."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType


class ReadWriteLock:
    """Readers share it, a writer has it alone, and a waiting writer goes before new readers.

    Neither side may take it again while holding it. Taking it for reading costs about a microsecond: every search does.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition(threading.Lock())
        self._readers = 0
        self._writing = False
        self._writers_waiting = 0
        self._reading = _Reading(self)

    def read(self) -> AbstractContextManager[None]:
        """Hold it together with other readers."""
        return self._reading

    @contextmanager
    def write(self) -> Iterator[None]:
        """Hold it alone."""
        with self._condition:
            self._writers_waiting += 1
            try:
                while self._writing or self._readers:
                    self._condition.wait()
            finally:
                self._writers_waiting -= 1
            self._writing = True
        try:
            yield
        finally:
            with self._condition:
                self._writing = False
                self._condition.notify_all()

    def _begin_reading(self) -> None:
        with self._condition:
            while self._writing or self._writers_waiting:
                self._condition.wait()
            self._readers += 1

    def _end_reading(self) -> None:
        with self._condition:
            self._readers -= 1
            if self._writers_waiting and not self._readers:
                self._condition.notify_all()


class _Reading(AbstractContextManager[None]):
    """The context of every reader; it keeps nothing of its own."""

    def __init__(self, lock: ReadWriteLock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        self._lock._begin_reading()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lock._end_reading()
