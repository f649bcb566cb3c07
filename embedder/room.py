"""The bounded room of the embedding worker: how many pictures are inside, and when the last has left."""

import asyncio

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
        metrics.queue_depth.set_function(lambda: self._inside)

    def check(self) -> None:
        """Passes while there is room; raises Busy."""
        if self._places.locked():
            self._metrics.busy.inc()
            raise Busy(f"{self._size} pictures are being embedded already", queue_size=self._size)

    def place(self) -> "Place":
        """Entering it waits for room, which it holds until it is left.

        Raises:
            NotReady: it was closed.
        """
        return Place(self)

    async def enter(self) -> None:
        """See `place`."""
        await self._places.acquire()
        if self.closed:
            self._places.release()
            raise NotReady("the embedding worker is stopping", part="embedder")
        self._inside += 1
        self._empty.clear()

    def leave(self) -> None:
        """There is room for one more."""
        self._places.release()
        self._inside -= 1
        if not self._inside:
            self._empty.set()

    def close(self) -> None:
        """Nobody comes in any more."""
        self.closed = True

    async def empty(self) -> None:
        """Returns once nobody is inside."""
        await self._empty.wait()


class Place:
    """Room for one picture, as a context."""

    __slots__ = ("_room",)

    def __init__(self, room: Room) -> None:
        self._room = room

    async def __aenter__(self) -> None:
        await self._room.enter()

    async def __aexit__(self, *_: object) -> None:
        self._room.leave()
