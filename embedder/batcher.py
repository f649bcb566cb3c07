"""The embedding worker: pictures from many callers through one model, in micro-batches.

    embed() --> fetch --bounded--> 1 prepare           --> 2 collect            --> 3 encode        --> embed()'s answer
                  |                decode, check,          up to batch_size, or     the model, in a            |
                  |                preprocess: a pool      batch_wait_ms later      thread of its own          |
                  +--> known already: the vector cache --------------------------------------------------------+

The stream's embed agent and the router's queries use the same worker, and so the same pixels-to-vector path. Fetching
has its own bounds (`embedder.host_slots`): pictures that wait for a slow host take no room from the others.
"""

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from itertools import islice
from typing import NamedTuple

import numpy as np

from embedder.decode import Pixels, silence_pillow
from embedder.fetch import Fetcher
from embedder.fetched import Fetched, nothing_known, picture_digest
from embedder.known_pictures import Cache, KnownPictures
from embedder.metrics import EmbedderMetrics
from embedder.models.base import Encoded, Encoder, Float32Array
from embedder.prepare import prepare_picture
from embedder.room import Room
from embedder.vector_cache import KnownVector
from schemas.errors import LookaliveError, ModelFailed, NotReady, VectorInvalid
from schemas.queries import Crop
from schemas.settings import ImageSettings, ModelSettings


class Embedded(NamedTuple):
    """A picture's answer: a float32 unit vector (dimension,), its length before it was one, the fingerprint of the
    whole picture (16 bytes, whatever the crop), and when it was fetched and embedded, in microseconds since the epoch.

    `cached` when no model was asked, as the picture was known.
    """

    vector: Float32Array
    fingerprint: bytes
    fetched_us: int
    embedded_us: int
    norm: float
    cached: bool = False


class _Job(NamedTuple):
    """A prepared picture whose caller waits; `since` is of `time.perf_counter`."""

    pixels: Pixels
    fingerprint: bytes
    fetched_us: int
    since: float
    digest: bytes | None


_Answer = asyncio.Future[Embedded]
_Batch = list[tuple[_Answer, _Job]]


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
        self._metrics = metrics
        self._clock = clock
        self._wait_s = model.batch_wait_ms / 1000
        self._limit = model.batch_size
        self._halved = False
        self._room = Room(model.queue_size, metrics)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="prepare")
        self._model_thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._ready: dict[_Answer, _Job] = {}
        self._waiting: set[_Answer] = set()
        self._preparing = 0
        self._moved = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None

    @property
    def healthy(self) -> bool:
        """Whether pictures are being embedded: started, not stopping, no stage has ended."""
        return self._runner is not None and not self._runner.done() and not self._room.closed

    async def start(self) -> None:
        """Begins to embed, in the running event loop."""
        silence_pillow()
        self._runner = asyncio.create_task(self._run(), name="embedding-worker")
        self._runner.add_done_callback(self._on_end)

    async def stop(self, timeout_s: float = 5.0) -> None:
        """Takes no more pictures, answers those inside within `timeout_s`, and ends; the rest get `NotReady`."""
        self._room.close()
        if self._runner is not None and not self._runner.done():
            try:
                async with asyncio.timeout(timeout_s):
                    await self._room.empty()
            except TimeoutError:
                pass
            self._runner.cancel()
            await asyncio.wait([self._runner])
        await self._fetcher.close()
        self._pool.shutdown(wait=False)
        self._model_thread.shutdown(wait=False)

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
        self._check_running()
        if not wait:
            self._room.check()
        begun = time.perf_counter()
        async with AsyncExitStack() as held:
            fetched = await self._fetch(picture, held)
            self._metrics.stage_seconds.labels("fetch").observe(time.perf_counter() - begun)
            fetched_us = self._clock()
            known = await self._known.find(fetched.digest) if crop is None else None
            if known is not None:
                return Embedded(known.vector, known.fingerprint, fetched_us, self._clock(), known.norm, cached=True)
            if fetched.data is None:  # it was known a moment ago
                assert isinstance(picture, str)
                fetched = await held.enter_async_context(self._fetcher.fetching(picture, nothing_known))
            with self._known.embedding(fetched.digest) as tell:
                embedded = await self._embed(fetched, crop, fetched_us, held, wait=wait)
                tell(KnownVector(embedded.vector, embedded.norm, embedded.fingerprint))
                return embedded

    async def _fetch(self, picture: str | bytes, held: AsyncExitStack) -> Fetched:
        if isinstance(picture, str):
            return await held.enter_async_context(self._fetcher.fetching(picture, self._known.knows))
        return Fetched(picture, picture_digest(picture))

    async def _embed(
        self, fetched: Fetched, crop: Crop | None, fetched_us: int, held: AsyncExitStack, *, wait: bool
    ) -> Embedded:
        """The bounded part; the picture's bytes are let go as soon as it is prepared."""
        self._check_running()
        if not wait:
            self._room.check()
        async with self._room.place():
            assert fetched.data is not None
            job = await self._prepare(fetched.data, crop, fetched_us, fetched.digest if crop is None else None)
            await held.aclose()
            return await self._answer_of(job)

    async def _prepare(self, data: bytes, crop: Crop | None, fetched_us: int, digest: bytes | None) -> _Job:
        """Stage 1: decoded, checked and preprocessed in the pool."""
        self._preparing += 1
        begun = time.perf_counter()
        try:
            pixels, fingerprint = await asyncio.get_running_loop().run_in_executor(
                self._pool, prepare_picture, data, crop, self.encoder.preprocessing, self._images
            )
            now = time.perf_counter()
            self._metrics.stage_seconds.labels("prepare").observe(now - begun)
            return _Job(pixels, fingerprint, fetched_us, now, digest)
        finally:
            self._preparing -= 1
            self._moved.set()

    async def _collect(self) -> _Batch:
        """Stage 2: what is ready, waiting for more only while more is being prepared."""
        await self._until_moved(lambda: bool(self._ready))
        try:
            async with asyncio.timeout(self._wait_s):
                await self._until_moved(lambda: len(self._ready) >= self._limit or not self._preparing)
        except TimeoutError:
            pass
        batch = list(islice(self._ready.items(), self._limit))
        for answer, _ in batch:
            del self._ready[answer]
        return batch

    async def _encode(self, batch: _Batch) -> None:
        """Stage 3: the model on a batch, and every caller's answer."""
        try:
            encoded = await asyncio.get_running_loop().run_in_executor(
                self._model_thread, self._call_model, [job for _, job in batch]
            )
        except MemoryError:
            if self._halved:
                raise
            self._halved, self._limit = True, max(1, self._limit // 2)
            for start in range(0, len(batch), self._limit):
                await self._encode(batch[start : start + self._limit])
        except Exception as error:  # noqa: BLE001  whatever a model raises ends its batch, not the worker
            for answer, _ in batch:
                _fail(answer, ModelFailed(f"the model failed on {len(batch)} pictures: {error!r}"))
        else:
            self._hand_out(batch, encoded)

    async def _run(self) -> None:
        while True:
            if batch := await self._collect():
                await self._encode(batch)

    def _call_model(self, jobs: list[_Job]) -> Encoded:
        """Runs in the model's thread, as does the writing to the cache."""
        begun = time.perf_counter()
        encoded = self.encoder.encode(np.stack([job.pixels for job in jobs]))
        if encoded.vectors.shape != (len(jobs), self.encoder.dimension):
            raise ValueError(f"vectors of shape {encoded.vectors.shape} for {len(jobs)} pictures")
        self._metrics.batch_size.observe(len(jobs))
        self._metrics.stage_seconds.labels("encode").observe(time.perf_counter() - begun)
        made = zip(jobs, encoded.vectors, encoded.norms.tolist(), strict=True)
        self._known.keep(
            {j.digest: KnownVector(v, norm, j.fingerprint) for j, v, norm in made if j.digest and _usable(v, norm)}
        )
        return encoded

    def _hand_out(self, batch: _Batch, encoded: Encoded) -> None:
        now = self._clock()
        for (answer, job), vector, norm in zip(batch, encoded.vectors, encoded.norms.tolist(), strict=True):
            if not _usable(vector, norm):
                _fail(answer, VectorInvalid(f"the model made a vector of length {norm} of the picture", norm=str(norm)))
            elif not answer.done():
                answer.set_result(Embedded(vector.copy(), job.fingerprint, job.fetched_us, now, norm))

    async def _answer_of(self, job: _Job) -> Embedded:
        """Between stages 2 and 3: a caller that is cancelled takes its picture along."""
        self._check_running()
        answer: _Answer = asyncio.get_running_loop().create_future()
        self._ready[answer] = job
        self._waiting.add(answer)
        self._moved.set()
        try:
            embedded = await answer
        finally:
            self._ready.pop(answer, None)
            self._waiting.discard(answer)
        self._metrics.stage_seconds.labels("wait").observe(time.perf_counter() - job.since)
        return embedded

    async def _until_moved(self, reached: Callable[[], bool]) -> None:
        while not reached():
            self._moved.clear()
            await self._moved.wait()

    def _check_running(self) -> None:
        if self._runner is None or self._runner.done():
            raise NotReady("the embedding worker is not running", part="embedder")

    def _on_end(self, runner: asyncio.Task[None]) -> None:
        """However the stages end, nobody is left waiting."""
        error = None if runner.cancelled() else runner.exception()
        why = "stopped" if error is None else f"ended: {error!r}"
        for answer in self._waiting:
            _fail(answer, NotReady(f"the embedding worker {why}", part="embedder"))


def _usable(vector: Float32Array, norm: float) -> bool:
    return bool(np.isfinite(norm) and norm > 0 and np.isfinite(vector).all())


def _fail(answer: _Answer, error: LookaliveError) -> None:
    if not answer.done():
        answer.set_exception(error)
