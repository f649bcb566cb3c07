"""When a shard should take its next snapshot."""

import time
from collections import defaultdict

from schemas.settings import MIB, IndexSettings

FAILED_WAIT_S = 5.0


# A snapshot of a shard that nothing changes is renewed when it is this share of the time old for which it can be used.
RENEWED_AT = 0.25


class SnapshotSchedule:
    """Due after a time in which something changed, and after so many bytes of any one partition's log.

    Where nothing changes the newest one is renewed before it is too old to be restored.
    The bytes matter on the embedded broker, which keeps little and whose producers wait for what snapshots hold.
    """

    def __init__(self, index: IndexSettings, by_bytes: bool) -> None:
        self._every_s = index.snapshot_every_s
        self._every_bytes = index.snapshot_every_mib * MIB if by_bytes else float("inf")
        self._bytes: dict[tuple[str, int], int] = defaultdict(int)
        self._renew_after_us = int(RENEWED_AT * index.delete_retention_s * 1e6)
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

    def due(self, newest_us: int) -> bool:
        """Whether it is time; the newest snapshot is from then, in microseconds since the epoch, 0 for none."""
        now_s = time.monotonic()
        if now_s < self._not_before_s:
            return False
        if not self._bytes:
            return newest_us > 0 and time.time_ns() // 1000 - newest_us > self._renew_after_us
        return now_s - self._taken_s >= self._every_s or max(self._bytes.values()) >= self._every_bytes

    def taken(self, took_s: float) -> None:
        """One was written."""
        self.last_took_s = took_s
        self.begin()

    def failed(self) -> None:
        """One could not be written; it is tried again after a while."""
        self._not_before_s = time.monotonic() + FAILED_WAIT_S
