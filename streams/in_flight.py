"""What was taken but not yet acknowledged: answered strictly in the order it was taken.

A consumer that commits past an unanswered record loses it in a crash, and Faust's does so in places when records are
acknowledged out of order. So acknowledgements wait for each other here, while their writes overlap.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

Acknowledge = Callable[[], Awaitable[object]]


class InFlight:
    """At most `limit` records between being taken and being acknowledged."""

    def __init__(self, limit: int) -> None:
        self._room = asyncio.Semaphore(limit)
        self._queue: asyncio.Queue[tuple[list[Awaitable[object]], Acknowledge]] = asyncio.Queue()
        self._count = 0
        self._empty = asyncio.Event()
        self._empty.set()

    async def add(self, writes: Iterable[Awaitable[object]], acknowledge: Acknowledge) -> None:
        """Acknowledge once these writes, and everything added before, are through; waits while full."""
        await self._room.acquire()
        self._count += 1
        self._empty.clear()
        self._queue.put_nowait((list(writes), acknowledge))

    async def run(self) -> None:
        """Acknowledge for ever; whatever a write raises ends it, with nothing later acknowledged."""
        while True:
            writes, acknowledge = await self._queue.get()
            for write in writes:
                await write
            await acknowledge()
            self._room.release()
            self._count -= 1
            if not self._count:
                self._empty.set()

    async def drained(self) -> None:
        """Return once everything taken is acknowledged."""
        await self._empty.wait()

    def __len__(self) -> int:
        return self._count
