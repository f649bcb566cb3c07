"""When a shard should take its next snapshot."""

import time
from collections import defaultdict

from schemas.settings import MIB, IndexSettings

FAILED_WAIT_S = 10.0


class SnapshotSchedule:
    """Due after a time in which something changed, and after so many bytes of any one partition's log.

    The bytes matter on the embedded broker, which keeps little and whose producers wait for what snapshots hold.
    """

    def __init__(self, index: IndexSettings, by_bytes: bool) -> None:
        self._every_s = index.snapshot_every_s
        self._every_bytes = index.snapshot_every_mib * MIB if by_bytes else float("inf")
        self._bytes: dict[tuple[str, int], int] = defaultdict(int)
        self._not_before_s = 0.0
        self.last_took_s = 0.0
        self.begin()

    @property
    def changed(self) -> bool:
        """Whether anything was read since the last one."""
        return bool(self._bytes)

    def begin(self) -> None:
        """Count from here on."""
        self._bytes.clear()
        self._taken_s = time.monotonic()

    def note(self, topic: str, partition: int, size_bytes: int) -> None:
        """A record was applied."""
        self._bytes[topic, partition] += size_bytes

    def due(self) -> bool:
        """Whether it is time."""
        now_s = time.monotonic()
        if not self._bytes or now_s < self._not_before_s:
            return False
        return now_s - self._taken_s >= self._every_s or max(self._bytes.values()) >= self._every_bytes

    def taken(self, took_s: float) -> None:
        """One was written."""
        self.last_took_s = took_s
        self.begin()

    def failed(self) -> None:
        """One could not be written; it is tried again after a while."""
        self._not_before_s = time.monotonic() + FAILED_WAIT_S
