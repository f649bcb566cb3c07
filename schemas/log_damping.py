"""Log lines that say the same again and again, as clients do while a broker is away: one in some seconds, counted."""

import logging
import time
from collections.abc import Callable, Hashable, Iterable
from typing import Any

import structlog

EVERY_S, MOST_KEYS = 5.0, 512


class Damper:
    """Lets one of each kind through in `every_s` seconds; kinds beyond `MOST_KEYS` push out the oldest."""

    def __init__(self, every_s: float = EVERY_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._every_s, self._clock = every_s, clock
        self._said: dict[Hashable, tuple[float, int]] = {}

    def passes(self, kind: Hashable) -> int | None:
        """How many of this kind were kept back since the last one; None for one more that is."""
        now_s = self._clock()
        said_s, kept_back = self._said.get(kind, (now_s - self._every_s, 0))
        if now_s - said_s < self._every_s:
            self._said[kind] = (said_s, kept_back + 1)
            return None
        self._said.pop(kind, None)
        while len(self._said) >= MOST_KEYS:
            del self._said[next(iter(self._said))]
        self._said[kind] = (now_s, 0)
        return kept_back


class DampedRecords(logging.Filter):
    """For a handler: records of these loggers and those below them, a kind being what was to be formatted."""

    def __init__(self, loggers: Iterable[str], damper: Damper | None = None) -> None:
        super().__init__()
        self._loggers = tuple(loggers)
        self._damper = damper or Damper()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is said."""
        if record.name.partition(".")[0] not in self._loggers:
            return True
        kept_back = self._damper.passes((record.name, record.levelno, str(record.msg)))
        if kept_back:
            record.msg, record.args = f"{record.getMessage()} ({kept_back} more like it were not said)", None
        return kept_back is not None


def damp_libraries(loggers: Iterable[str]) -> None:
    """From now on, whatever is said by these loggers is said only now and then."""
    damped = DampedRecords(loggers)
    last_resort = () if logging.lastResort is None else (logging.lastResort,)
    for handler in (*logging.getLogger().handlers, *last_resort):
        handler.addFilter(damped)


class DampedEvents:
    """A processor of structlog's: warnings that are the very same in all they say."""

    def __init__(self, damper: Damper | None = None) -> None:
        self._damper = damper or Damper()

    def __call__(self, _: Any, method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
        """The event; raises `structlog.DropEvent` for one that is kept back."""
        if method != "warning":
            return event
        kept_back = self._damper.passes(tuple((name, str(value)) for name, value in event.items()))
        if kept_back is None:
            raise structlog.DropEvent
        if kept_back:
            event["not_said"] = kept_back
        return event
