"""The bounded room of the embedding worker: how many pictures are inside, and when the last has left."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from embedder.metrics import EmbedderMetrics
from schemas.errors import Busy, NotReady


class Room:
    """At most `size` pictures at a time; after `close` no more come in."""

    def __init__(self, size: int, metrics: EmbedderMetrics) -> None:
        self._size = size
        self._metrics = metrics
        self._places = asyncio.Semaphore(size)
        self._inside = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self.closed = False

    def check(self) -> None:
        """Passes while there is room; raises Busy."""
        if self._places.locked():
            self._metrics.busy.inc()
            raise Busy(f"{self._size} pictures are being embedded already", queue_size=self._size)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Waits for room, and holds it.

        Raises:
            NotReady: it was closed.
        """
        async with self._places:
            if self.closed:
                raise NotReady("the embedding worker is stopping", part="embedder")
            self._change(1)
            try:
                yield
            finally:
                self._change(-1)

    def close(self) -> None:
        """Nobody comes in any more."""
        self.closed = True

    async def empty(self) -> None:
        """Returns once nobody is inside."""
        await self._empty.wait()

    def _change(self, by: int) -> None:
        self._inside += by
        self._metrics.queue_depth.set(self._inside)
        if self._inside:
            self._empty.clear()
        else:
            self._empty.set()
