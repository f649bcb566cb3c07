"""Pictures that came inside changes, on their way into the image store: in threads, as a store waits for the disk."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from schemas.settings import MIB
from streams.in_flight import InFlight
from streams.merge import Incoming

THREADS, STORING_BYTES = 16, 64 * MIB
# A job waits for the disk once for all of its pictures; several jobs wait at the same time.
JOB_CHANGES, JOB_BYTES = 64, 4 * MIB

Keep = Callable[[Sequence[Incoming]], list[Incoming]]
Stored = asyncio.Future[list[Incoming]]


class PictureStoring:
    """Stores at most so many bytes at a time."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="store")
        self._bytes = InFlight(STORING_BYTES)

    async def begin(self, changes: Sequence[Incoming]) -> list[Stored]:
        """Begin to store the pictures of these changes, once there is room; the answers have them in the same order."""
        return [await self._begin(job, size_bytes) for job, size_bytes in jobs_of(changes)]

    def stop(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _begin(self, job: list[Incoming], size_bytes: int) -> Stored:
        await self._bytes.take(size_bytes)
        stored = asyncio.get_running_loop().run_in_executor(self._threads, self._keep, job)
        stored.add_done_callback(lambda _: self._bytes.give(size_bytes))
        return stored


def jobs_of(changes: Sequence[Incoming]) -> list[tuple[list[Incoming], int]]:
    """The changes in order, a few at a time, with their bytes."""
    jobs: list[tuple[list[Incoming], int]] = []
    for change in changes:
        size_bytes = len(change.record.value or b"")
        if jobs and len(jobs[-1][0]) < JOB_CHANGES and jobs[-1][1] + size_bytes <= JOB_BYTES:
            job, before = jobs[-1]
            job.append(change)
            jobs[-1] = (job, before + size_bytes)
        else:
            jobs.append(([change], size_bytes))
    return jobs
