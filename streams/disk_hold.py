"""What a full or read-only disk holds up: whoever writes there waits until it takes more, and nothing is acknowledged.

RocksDB mends itself some seconds after there is room again; until then it keeps what it has, can be read, and refuses
every write.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import structlog

from schemas.disk import cannot_write, check_room, check_writable, disk_reason
from schemas.errors import DiskFailed
from schemas.settings import MIB
from schemas.unstalled import is_held_back

AGAIN_S, STALLED_S, MENDS_S = 0.5, 0.01, 60.0
ENOUGH_BYTES = 64 * MIB

Written = TypeVar("Written")
log = structlog.get_logger()


class DiskHold:
    """Shared by everything of an agent that writes to disk; `reason` says what cannot be written just now, and why.

    Where the disk has plenty of room and takes files, and a database still refuses, it is waited for no longer than
    `mends_s`: the error is raised then, as only opening the database anew may help.
    """

    def __init__(self, again_s: float = AGAIN_S, mends_s: float = MENDS_S) -> None:
        self._again_s, self._mends_s = again_s, mends_s
        self._failed: dict[tuple[str, Path], str] = {}
        self._writable_s: dict[tuple[str, Path], float] = {}

    @property
    def reason(self) -> str | None:
        """None while everything can be written."""
        return "; ".join(sorted(set(self._failed.copy().values()))) or None

    async def written(self, what: str, folder: Path, write: Callable[[], Awaitable[Written]]) -> Written:
        """What `write` returns, once the disk takes it; other errors are raised."""
        while True:
            try:
                done = await write()
            except Exception as error:  # noqa: BLE001  RocksDB's errors have no common class but this
                await asyncio.sleep(self._pause_s(what, folder, error))
            else:
                self._forget(what, folder)
                return done

    def written_in_thread(self, what: str, folder: Path, write: Callable[[], Written]) -> Written:
        """The same for a thread that may wait."""
        while True:
            try:
                done = write()
            except Exception as error:  # noqa: BLE001  as above
                time.sleep(self._pause_s(what, folder, error))
            else:
                self._forget(what, folder)
                return done

    def _pause_s(self, what: str, folder: Path, error: Exception) -> float:
        """How long to wait before this is written again; raises what is not the disk's fault."""
        if is_held_back(error):
            return STALLED_S
        reason = disk_reason(error)
        if reason is None:
            raise error
        said = error if isinstance(error, DiskFailed) else cannot_write(what, folder, reason)
        if self._takes_files_since_s(what, folder) > self._mends_s:
            raise error
        if (what, folder) not in self._failed:
            log.warning("disk_holds_up", reason=said.message)
        self._failed[what, folder] = said.message
        return self._again_s

    def _takes_files_since_s(self, what: str, folder: Path) -> float:
        try:
            check_room(what, folder, ENOUGH_BYTES)
            check_writable(folder)
        except DiskFailed:
            self._writable_s.pop((what, folder), None)
            return 0.0
        now_s = time.monotonic()
        return now_s - self._writable_s.setdefault((what, folder), now_s)

    def _forget(self, what: str, folder: Path) -> None:
        self._writable_s.pop((what, folder), None)
        if self._failed.pop((what, folder), None) is not None:
            log.info("disk_takes_more", what=what, folder=str(folder))
