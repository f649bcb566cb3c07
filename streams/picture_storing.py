"""Pictures that came inside changes, on their way into the image store: in threads, as a store waits for the disk."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple

from schemas.settings import MIB
from streams.in_flight import InFlight
from streams.merge import Incoming

THREADS, STORING_BYTES = 4, 64 * MIB
# What is stored by one call, which waits for the disk once.
JOB_CHANGES, JOB_BYTES = 64, 4 * MIB

Keep = Callable[[Sequence[Incoming]], list[Incoming]]
Stored = asyncio.Future[list[Incoming]]


class _Part(NamedTuple):
    """Changes that wait to be stored, their bytes, and whom to tell."""

    changes: list[Incoming]
    size_bytes: int
    stored: Stored


class PictureStoring:
    """Stores at most so many bytes at a time.

    What comes while every thread waits for the disk is stored together by the one that is free first: the more there
    is to do, the less of it is waiting (as a database commits transactions in groups).
    """

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="store")
        self._bytes = InFlight(STORING_BYTES)
        self._waiting: deque[_Part] = deque()
        self._busy = 0

    async def begin(self, changes: Sequence[Incoming]) -> list[Stored]:
        """Begin to store the pictures of these changes, once there is room; the answers have them in the same order."""
        return [await self._begin(part, size_bytes) for part, size_bytes in parts_of(changes)]

    def stop(self) -> None:
        """Begin nothing more."""
        for part in self._waiting:
            part.stored.cancel()
        self._waiting.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _begin(self, changes: list[Incoming], size_bytes: int) -> Stored:
        await self._bytes.take(size_bytes)
        stored: Stored = asyncio.get_running_loop().create_future()
        stored.add_done_callback(lambda _: self._bytes.give(size_bytes))
        self._waiting.append(_Part(changes, size_bytes, stored))
        self._work()
        return stored

    def _work(self) -> None:
        """Give free threads what waits."""
        while self._waiting and self._busy < THREADS:
            job = self._next_job()
            changes = [change for part in job for change in part.changes]
            self._busy += 1
            done = asyncio.get_running_loop().run_in_executor(self._threads, self._keep, changes)
            done.add_done_callback(lambda done, job=job: self._tell(job, done))  # type: ignore[misc]

    def _next_job(self) -> list[_Part]:
        job = [self._waiting.popleft()]
        count, size_bytes = len(job[0].changes), job[0].size_bytes
        while self._waiting:
            part = self._waiting[0]
            count, size_bytes = count + len(part.changes), size_bytes + part.size_bytes
            if count > JOB_CHANGES or size_bytes > JOB_BYTES:
                break
            job.append(self._waiting.popleft())
        return job

    def _tell(self, job: Sequence[_Part], done: Stored) -> None:
        self._busy -= 1
        error = None if done.cancelled() else done.exception()
        kept = iter([] if done.cancelled() or error is not None else done.result())
        for part in job:
            stored = list(islice(kept, len(part.changes)))
            if part.stored.done():
                continue
            if done.cancelled():
                part.stored.cancel()
            elif error is not None:
                part.stored.set_exception(error)
            else:
                part.stored.set_result(stored)
        self._work()


def parts_of(changes: Sequence[Incoming]) -> list[tuple[list[Incoming], int]]:
    """The changes in order, a few at a time, with their bytes."""
    parts: list[tuple[list[Incoming], int]] = []
    for change in changes:
        size_bytes = len(change.record.value or b"")
        if parts and len(parts[-1][0]) < JOB_CHANGES and parts[-1][1] + size_bytes <= JOB_BYTES:
            part, before = parts[-1]
            part.append(change)
            parts[-1] = (part, before + size_bytes)
        else:
            parts.append(([change], size_bytes))
    return parts
