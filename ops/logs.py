"""Log lines: structlog for ours, the standard library's for everyone else's, both to standard error."""

import logging
import sys

import stamina.instrumentation
import structlog

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
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Standard error as it is when a line is written: a test runner or a redirection may have replaced it.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
