"""The embedding worker: pictures from many callers through one model, in micro-batches.

    embed() --> fetch --bounded--> 1 prepare           --> 2 collect            --> 3 encode        --> embed()'s answer
                  |                decode, check,          up to batch_size, or     the model, in a            |
                  |                preprocess: a pool      batch_wait_ms later      thread of its own          |
                  +--> known already: the vector cache --------------------------------------------------------+

What is there without being fetched (bytes, `data:`, the image store) is read, looked up and prepared in one go.

The stream's embed agent and the router's queries use the same worker, and so the same pixels-to-vector path. Fetching
has its own bounds (`embedder.host_slots`): pictures that wait for a slow host take no room from the others.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TypeVar

from embedder.crew import Crew
from embedder.decode import silence_pillow
from embedder.fetch import Fetcher
from embedder.fetched import Fetched, nothing_known, picture_digest
from embedder.known_pictures import Cache, KnownPictures
from embedder.metrics import EmbedderMetrics
from embedder.model_queue import Embedded, Job, ModelQueue
from embedder.models.base import Encoder
from embedder.prepare import prepare_picture
from embedder.room import Room
from embedder.vector_cache import KnownVector
from schemas.queries import Crop
from schemas.settings import ImageSettings, ModelSettings

_Known = tuple[KnownVector, int]
"""A picture that needs no model, and when it was fetched."""

Result = TypeVar("Result")


def wall_clock_us() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


class EmbeddingWorker:
    """Embeds pictures for many callers at once; at most `model.queue_size` of them are inside at a time.

    One caller's bad picture or cancellation is nobody else's. Running out of memory in the model halves the batches
    once; the second time the worker ends, `healthy` says so, and whoever waits gets `NotReady`.
    """

    def __init__(
        self,
        encoder: Encoder,
        fetcher: Fetcher,
        images: ImageSettings,
        model: ModelSettings,
        metrics: EmbedderMetrics,
        *,
        cache: Cache | None = None,
        clock: Callable[[], int] = wall_clock_us,
    ) -> None:
        """The worker closes the fetcher; the cache is its owner's to close. Pictures cut by a crop are not cached."""
        threads = model.decode_threads or os.cpu_count() or 1
        self.encoder = encoder
        self._fetcher = fetcher
        self._known = KnownPictures(cache, metrics)
        self._images = images
        self._clock = clock
        self._room = Room(model.queue_size, metrics)
        self._crew = Crew(threads, "prepare")
        self._queue = ModelQueue(encoder, model, self._known, metrics, clock)
        self._fetch_seconds = metrics.stage_seconds.labels("fetch")
        self._prepare_seconds = metrics.stage_seconds.labels("prepare")

    @property
    def healthy(self) -> bool:
        """Whether pictures are being embedded: started, not stopping, no stage has ended."""
        return self._queue.runs and not self._room.closed

    async def start(self) -> None:
        """Begins to embed, in the running event loop."""
        silence_pillow()
        self._queue.start()

    async def stop(self, timeout_s: float = 5.0) -> None:
        """Takes no more pictures, answers those inside within `timeout_s`, and ends; the rest get `NotReady`."""
        self._room.close()
        if self._queue.runs:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._room.empty()
            except TimeoutError:
                pass
        await self._queue.stop()
        await self._fetcher.close()
        self._crew.stop()

    async def embed(self, picture: str | bytes, crop: Crop | None = None, *, wait: bool = True) -> Embedded:
        """The vector of a picture: a reference, or its encoded bytes; of the part that `crop` names.

        With `wait` a caller waits for room (a stream's back-pressure), without it is turned away (a query).

        Raises:
            Busy: no room, and `wait` is false.
            ImageRejected, InputError: see `Fetcher.fetching` and `prepare_picture`.
            VectorInvalid: the model made no usable vector of it.
            ModelFailed: the model raised on the batch.
            NotReady: the worker is not running, or ended meanwhile.
        """
        self._queue.check()
        if not wait:
            self._room.check()
        read = self._reading(picture)
        if read is not None:
            return await self._embed_inside(read, crop)
        assert isinstance(picture, str)
        begun = time.perf_counter()
        async with AsyncExitStack() as held:
            fetched = await held.enter_async_context(self._fetcher.fetching(picture, self._known.knows))
            self._fetch_seconds.observe(time.perf_counter() - begun)
            fetched_us = self._clock()
            known = await self._known.find(fetched.digest) if crop is None else None
            if known is not None:
                return self._known_already(known, fetched_us)
            if fetched.data is None:  # it was known a moment ago
                fetched = await held.enter_async_context(self._fetcher.fetching(picture, nothing_known))
            return await self._told(fetched.digest, self._embed(fetched, crop, fetched_us, held, wait=wait))

    def _reading(self, picture: str | bytes) -> Callable[[], Fetched] | None:
        if isinstance(picture, str):
            return self._fetcher.reading(picture)
        return lambda: Fetched(picture, picture_digest(picture))

    async def _embed_inside(self, read: Callable[[], Fetched], crop: Crop | None) -> Embedded:
        """A picture that is there: read, looked up and prepared in one go, so that its bytes wait nowhere."""
        async with self._room.place():
            found = await self._in_crew(self._read_and_prepare, read, crop)
            if not isinstance(found, Job):
                return self._known_already(*found)
            known = None if found.digest is None else await self._known.find(found.digest)
            if known is not None:
                return self._known_already(known, found.fetched_us)
            if found.digest is None:
                return await self._queue.answer_of(found)
            return await self._told(found.digest, self._queue.answer_of(found))

    async def _told(self, digest: bytes, embedding: Awaitable[Embedded]) -> Embedded:
        """The answer, of which whoever waits for the same picture is told as well."""
        with self._known.embedding(digest) as tell:
            embedded = await embedding
            tell(KnownVector(embedded.vector, embedded.norm, embedded.fingerprint))
            return embedded

    def _read_and_prepare(self, read: Callable[[], Fetched], crop: Crop | None) -> Job | _Known:
        """In a thread."""
        begun = time.perf_counter()
        fetched = read()
        assert fetched.data is not None
        self._fetch_seconds.observe(time.perf_counter() - begun)
        fetched_us = self._clock()
        known = self._known.look(fetched.digest) if crop is None else None
        if known is not None:
            return known, fetched_us
        return self._prepared(fetched.data, crop, fetched_us, fetched.digest if crop is None else None)

    def _known_already(self, known: KnownVector, fetched_us: int) -> Embedded:
        return Embedded(known.vector, known.fingerprint, fetched_us, self._clock(), known.norm, cached=True)

    async def _embed(
        self, fetched: Fetched, crop: Crop | None, fetched_us: int, held: AsyncExitStack, *, wait: bool
    ) -> Embedded:
        """The bounded part; the picture's bytes are let go as soon as it is prepared."""
        self._queue.check()
        if not wait:
            self._room.check()
        async with self._room.place():
            digest = fetched.digest if crop is None else None
            job = await self._in_crew(self._prepared, fetched.data, crop, fetched_us, digest)
            await held.aclose()
            return await self._queue.answer_of(job)

    async def _in_crew(self, function: Callable[..., Result], *arguments: object) -> Result:
        self._queue.expect(1)
        try:
            return await self._crew.run(function, *arguments)
        finally:
            self._queue.expect(-1)

    def _prepared(self, data: bytes, crop: Crop | None, fetched_us: int, digest: bytes | None) -> Job:
        """Stage 1, in a thread: decoded, checked and preprocessed."""
        begun = time.perf_counter()
        pixels, fingerprint = prepare_picture(data, crop, self.encoder.preprocessing, self._images)
        now = time.perf_counter()
        self._prepare_seconds.observe(now - begun)
        return Job(pixels, fingerprint, fetched_us, now, digest)
