"""Where a process answers, told to others on this machine by a file under `<data_dir>/run`."""

import os
from pathlib import Path

import msgspec
import structlog

log = structlog.get_logger()


class Announcement(msgspec.Struct, frozen=True):
    """Which process, and its address."""

    pid: int
    url: str


def announce(path: Path, url: str) -> bool:
    """Write the file in one step: a reader sees all of it or none. Whether the disk took it; if not, that is said."""
    aside = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(msgspec.json.encode(Announcement(os.getpid(), url)))
        aside.replace(path)
    except OSError as error:
        log.warning("address_not_written", path=str(path), url=url, error=error.strerror)
        return False
    return True
