"""A bounded pool of threads for searches: what does not fit in is turned away at once."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from index_shards.faiss_api import faiss
from schemas.errors import Busy

# A search gives the interpreter up several times, and waits so long each time for a thread that applies changes.
SWITCH_S = 0.0005

Args = ParamSpec("Args")
Result = TypeVar("Result")


class SearchPool:
    """`threads` searches run (0: one per core), `queue` wait, and the next one is refused."""

    def __init__(self, threads: int, queue: int) -> None:
        workers = threads or os.cpu_count() or 1
        self._limit = workers + queue
        self._room = threading.Semaphore(self._limit)
        # FAISS keeps its thread count per calling thread.
        self._pool = ThreadPoolExecutor(workers, "search", initializer=lambda: faiss.omp_set_num_threads(1))
        self._taken = 0
        self._lock = threading.Lock()

    @property
    def in_flight(self) -> int:
        """Searches running or waiting."""
        return self._taken

    async def run(self, work: Callable[Args, Result], *args: Args.args, **kwargs: Args.kwargs) -> Result:
        """Run it in a thread.

        Raises:
            Busy: as many as fit in are running and waiting.
        """
        if not self._room.acquire(blocking=False):
            raise Busy("too many searches at once", limit=self._limit)
        self._count(1)
        future = self._pool.submit(work, *args, **kwargs)
        # Its place is given back when the work ends, not when the one who asked goes away.
        future.add_done_callback(self._release)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Let what runs end, drop what waits."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _release(self, _: Future[Result]) -> None:
        self._count(-1)
        self._room.release()

    def _count(self, change: int) -> None:
        with self._lock:
            self._taken += change
