"""How a stream worker ends: in order, or at once so that nothing is acknowledged that was not done."""

import os
import sys
from typing import NoReturn

import structlog

from schemas.errors import LogError, LogGap, LookaliveError, NotReady, SettingsError

EXIT_OK, EXIT_GAP, EXIT_CRASH, EXIT_NOT_READY, EXIT_CONFIG = 0, 65, 70, 75, 78

log = structlog.get_logger()


def exit_code_of(error: BaseException) -> int:
    """The exit status that says what to do: 65 changes were lost, 78 change the settings, others start again."""
    match error:
        case LogGap():
            return EXIT_GAP
        case SettingsError() | LogError():
            return EXIT_CONFIG
        case NotReady():
            return EXIT_NOT_READY
        case _:
            return EXIT_CRASH


def say_error(error: BaseException) -> None:
    """One log line; with a traceback only for what was not raised on purpose."""
    if isinstance(error, LookaliveError):
        log.error("stream_worker_ends", code=error.code, error=error.message)
    else:
        log.error("stream_worker_crashed", error=repr(error), exc_info=error)


def end_now(error: BaseException) -> NoReturn:
    """End this process at once, with nothing more acknowledged: what was taken is taken again after a restart."""
    code = exit_code_of(error)
    say_error(error)
    leave(EXIT_CRASH if code == EXIT_NOT_READY else code)


def leave(code: int) -> NoReturn:
    """End this process without waiting for anything."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
