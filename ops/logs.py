"""Log lines: structlog for ours, the standard library's for everyone else's, both to standard error."""

import contextlib
import logging
import sys

import stamina.instrumentation
import structlog

from schemas.log_damping import DampedEvents
from schemas.settings import LogSettings


def configure_logs(settings: LogSettings) -> None:
    """Set the level and the shape of log lines of this process."""
    level = logging.getLevelNamesMapping().get(settings.level.upper(), logging.INFO)
    logging.basicConfig(
        level=max(level, logging.WARNING), stream=sys.stderr, format="%(levelname)s %(name)s %(message)s"
    )
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if settings.json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    # A retry is no news; what fails in the end is said by whoever asked.
    stamina.instrumentation.set_on_retry_hooks([])
    structlog.configure(
        processors=[
            DampedEvents(),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: PatientLogger(),
    )


class PatientLogger:
    """Prints lines to standard error, and goes without where that is a file on a full disk: no role ends for its log.

    Standard error is as it is when a line is written: a test runner or a redirection may have replaced it.
    """

    def msg(self, message: str) -> None:
        """Print a line, if that can be done."""
        with contextlib.suppress(OSError):
            print(message, file=sys.stderr, flush=True)

    debug = info = warning = error = critical = exception = msg
