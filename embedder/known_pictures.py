"""Pictures that need no work: what the cache knows, and what is being embedded at this very moment."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from embedder.metrics import EmbedderMetrics
from embedder.vector_cache import KnownVector


class Cache(Protocol):
    """The part of `embedder.vector_cache.VectorCache` that is used."""

    def get(self, digest: bytes) -> KnownVector | None:
        """What the picture of this digest became."""

    def knows(self, digest: bytes) -> bool:
        """Whether `get` has an answer."""

    def put(self, vectors: Mapping[bytes, KnownVector]) -> None:
        """Keeps what pictures became."""


class KnownPictures:
    """The same picture is never embedded twice: not later, and not by two callers at once. Without a cache it is."""

    def __init__(self, cache: Cache | None, metrics: EmbedderMetrics) -> None:
        self._cache = cache
        self._metrics = metrics
        self._miss, self._hit = metrics.cache.labels("miss"), metrics.cache.labels("hit")
        self._under_way: dict[bytes, asyncio.Future[KnownVector]] = {}

    def knows(self, digest: bytes) -> bool:
        """Whether a picture need not even be sent."""
        return self._cache is not None and self._cache.knows(digest)

    def look(self, digest: bytes) -> KnownVector | None:
        """What the cache knows of this picture; for threads, which ask before they prepare it."""
        known = None if self._cache is None else self._cache.get(digest)
        if known is not None:
            self._hit.inc()
        return known

    async def find(self, digest: bytes) -> KnownVector | None:
        """What this picture became, waiting when somebody embeds it now; None when the caller must do it."""
        if self._cache is None:
            return None
        joined = False
        while (known := self._cache.get(digest)) is None:
            other = self._under_way.get(digest)
            if other is None:
                self._miss.inc()
                return None
            joined = True
            await asyncio.wait([other])
            if not other.cancelled() and other.exception() is None:
                known = other.result()
                break
        (self._metrics.cache.labels("joined") if joined else self._hit).inc()
        return known

    @contextmanager
    def embedding(self, digest: bytes) -> Iterator[Callable[[KnownVector], None]]:
        """While the caller embeds this picture others wait for it; call what is given with the result."""
        if self._cache is None or digest in self._under_way:
            yield lambda known: None
            return
        made: asyncio.Future[KnownVector] = asyncio.get_running_loop().create_future()
        self._under_way[digest] = made
        try:
            yield made.set_result
        finally:
            del self._under_way[digest]
            if not made.done():
                made.cancel()  # whoever waits does it themselves

    def keep(self, vectors: Mapping[bytes, KnownVector]) -> None:
        """Puts what a batch became into the cache."""
        if self._cache is not None:
            self._cache.put(vectors)
