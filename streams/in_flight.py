"""What was taken but not yet acknowledged: answered strictly in the order it was taken.

A consumer that commits past an unanswered record loses it in a crash, and Faust's does so in places when records are
acknowledged out of order. So acknowledgements wait for each other here, while their writes overlap.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

Acknowledge = Callable[[], Awaitable[object]]


class _Entry(NamedTuple):
    writes: list[Awaitable[object]]
    acknowledge: Acknowledge
    records: int


class InFlight:
    """At most `limit` records between being taken and being acknowledged; one entry may hold several of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._queue: asyncio.Queue[_Entry] = asyncio.Queue()
        self._count = 0
        self._left = asyncio.Event()

    async def room(self, records: int = 1) -> None:
        """Returns once there is room for so many more records, or nothing else in flight."""
        while self._count and self._count + records > self._limit:
            self._left.clear()
            await self._left.wait()

    async def take(self, records: int) -> None:
        """Count so many more without anything to be acknowledged, once there is room; `give` counts them back."""
        await self.room(records)
        self._count += records

    def give(self, records: int) -> None:
        """What was taken is there again."""
        self._count -= records
        self._left.set()

    async def add(self, writes: Iterable[Awaitable[object]], acknowledge: Acknowledge, records: int = 1) -> None:
        """Acknowledge once these writes, and everything added before, are through; waits while full."""
        await self.room(records)
        self._count += records
        self._queue.put_nowait(_Entry(list(writes), acknowledge, records))

    async def run(self) -> None:
        """Acknowledge for ever; whatever a write raises ends it, with nothing later acknowledged."""
        while True:
            entry = await self._queue.get()
            for write in entry.writes:
                await write
            await entry.acknowledge()
            self._count -= entry.records
            self._left.set()

    async def drained(self) -> None:
        """Return once everything taken is acknowledged."""
        while self._count:
            self._left.clear()
            await self._left.wait()

    def __len__(self) -> int:
        return self._count
