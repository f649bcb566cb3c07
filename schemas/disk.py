"""Disks that are full or read-only: told from other failures, and said with what there is to do about it."""

import errno
import os
import shutil
from pathlib import Path

from schemas.errors import DiskFailed
from schemas.settings import MIB

_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_PROBE_BYTES = 64 * 1024


def disk_reason(error: BaseException) -> str | None:
    """What the disk said where it is to blame, in the system's words; None for any other error.

    RocksDB, FAISS and `shutil` wrap the system's error in ones of their own, and keep its words alone.
    """
    if isinstance(error, OSError) and error.errno in _ERRNOS:
        return os.strerror(error.errno)
    text = str(error)
    return next((os.strerror(number) for number in _ERRNOS if os.strerror(number) in text), None)


def cannot_write(what: str, folder: Path, reason: str) -> DiskFailed:
    """The error that says which folder, how much is free there, and what to do."""
    return DiskFailed(
        f"{what} cannot be written to {folder}: {reason} ({_free(folder)}); make room there, or make it writable: it "
        "goes on by itself",
        folder=str(folder),
    )


def check_writable(folder: Path) -> None:
    """Write a little into a folder, as far as the disk, and take it away again.

    Raises:
        DiskFailed: the disk is full or read-only.
    """
    probe = folder / f".probe-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with probe.open("wb") as file:
                file.write(bytes(_PROBE_BYTES))
                file.flush()
                os.fsync(file.fileno())
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        reason = disk_reason(error)
        if reason is None:
            raise
        raise cannot_write("anything", folder, reason) from error


def check_room(what: str, folder: Path, size_bytes: int) -> None:
    """See that so many bytes are free before they are written.

    Raises:
        DiskFailed: they are not.
    """
    free_bytes = _usage(folder).free
    if free_bytes < size_bytes:
        raise cannot_write(what, folder, f"{os.strerror(errno.ENOSPC)} for {size_bytes / MIB:.1f} MiB")


def _free(folder: Path) -> str:
    try:
        usage = _usage(folder)
    except OSError as error:
        return f"what is free is not known: {error.strerror}"
    return f"{usage.free / MIB:.1f} of {usage.total / MIB:.1f} MiB are free"


def _usage(folder: Path) -> "shutil._ntuple_diskusage":
    """Of the folder, or of the nearest one above that is there."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder)
