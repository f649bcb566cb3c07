"""The embedding worker: pictures from many callers through one model, in micro-batches.

    embed() --bounded--> 1 prepare             --> 2 collect            --> 3 encode            --> embed()'s answer
                         fetch, decode, check,     up to batch_size, or     the model, in a
                         preprocess: a pool        batch_wait_ms later      thread of its own

The stream's embed agent and the router's queries use the same worker, and so the same pixels-to-vector path.
"""

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple

import numpy as np

from embedder.decode import Pixels, decode_image, silence_pillow
from embedder.fetch import Fetcher
from embedder.fingerprint import picture_fingerprint
from embedder.metrics import EmbedderMetrics
from embedder.models.base import Encoded, Encoder, Float32Array
from embedder.preprocess import Preprocessing, draft_side, preprocess
from embedder.quality import check_quality
from schemas.errors import Busy, ImageRejected, LookaliveError, ModelFailed, NotReady, VectorInvalid
from schemas.queries import Crop
from schemas.settings import ImageSettings, ModelSettings


class Embedded(NamedTuple):
    """A picture's answer: a float32 unit vector (dimension,), its length before it was one, the fingerprint of the
    whole picture (16 bytes, whatever the crop), and when it was fetched and embedded, in microseconds since the epoch.
    """

    vector: Float32Array
    fingerprint: bytes
    fetched_us: int
    embedded_us: int
    norm: float


class _Job(NamedTuple):
    """A prepared picture whose caller waits; `since` is of `time.perf_counter`."""

    pixels: Pixels
    fingerprint: bytes
    fetched_us: int
    since: float


_Answer = asyncio.Future[Embedded]
_Batch = list[tuple[_Answer, _Job]]


def prepare_picture(data: bytes, crop: Crop | None, spec: Preprocessing, images: ImageSettings) -> tuple[Pixels, bytes]:
    """An encoded picture as the model takes it, uint8 (size, size, 3), and its fingerprint.

    Raises:
        ImageRejected: it is no picture, too large, broken or blank.
        InputError: the crop is not inside the picture.
    """
    if len(data) > images.max_bytes:
        raise ImageRejected(
            f"{len(data)} bytes are more than the {images.max_bytes} a picture may have", code="image_too_large"
        )
    side = draft_side(spec, crop, images.min_side)
    pixels = decode_image(data, images.max_pixels, side)
    check_quality(pixels, images.min_side)
    return preprocess(pixels, spec, crop), picture_fingerprint(pixels)


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
        clock: Callable[[], int] = wall_clock_us,
    ) -> None:
        threads = model.decode_threads or os.cpu_count() or 1
        self.encoder = encoder
        self._fetcher = fetcher
        self._images = images
        self._metrics = metrics
        self._clock = clock
        self._queue_size = model.queue_size
        self._wait_s = model.batch_wait_ms / 1000
        self._limit = model.batch_size
        self._halved = False
        self._room = asyncio.Semaphore(model.queue_size)
        self._hands = asyncio.Semaphore(2 * threads)  # bounds the encoded pictures held in memory
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="prepare")
        self._model_thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._ready: dict[_Answer, _Job] = {}
        self._waiting: set[_Answer] = set()
        self._inside = 0
        self._preparing = 0
        self._moved = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False
        self._runner: asyncio.Task[None] | None = None

    @property
    def healthy(self) -> bool:
        """Whether pictures are being embedded: started, not stopping, no stage has ended."""
        return self._runner is not None and not self._runner.done() and not self._stopping

    async def start(self) -> None:
        """Begins to embed, in the running event loop."""
        silence_pillow()
        self._runner = asyncio.create_task(self._run(), name="embedding-worker")
        self._runner.add_done_callback(self._on_end)

    async def stop(self, timeout_s: float = 5.0) -> None:
        """Takes no more pictures, answers those inside within `timeout_s`, and ends; the rest get `NotReady`."""
        self._stopping = True
        if self._runner is not None and not self._runner.done():
            try:
                async with asyncio.timeout(timeout_s):
                    await self._idle.wait()
            except TimeoutError:
                pass
            self._runner.cancel()
            await asyncio.wait([self._runner])
        self._pool.shutdown(wait=False)
        self._model_thread.shutdown(wait=False)

    async def embed(self, picture: str | bytes, crop: Crop | None = None, *, wait: bool = True) -> Embedded:
        """The vector of a picture: a reference, or its encoded bytes; of the part that `crop` names.

        With `wait` a caller waits for room (a stream's back-pressure), without it is turned away (a query).

        Raises:
            Busy: no room, and `wait` is false.
            ImageRejected, InputError: see `Fetcher.fetch` and `prepare_picture`.
            VectorInvalid: the model made no usable vector of it.
            ModelFailed: the model raised on the batch.
            NotReady: the worker is not running, or ended meanwhile.
        """
        self._check_running()
        if not wait and self._room.locked():
            self._metrics.busy.inc()
            raise Busy(f"{self._queue_size} pictures are being embedded already", queue_size=self._queue_size)
        async with self._room:
            self._enter()
            try:
                job = await self._prepare(picture, crop)
                return await self._answer_of(job)
            finally:
                self._leave()

    async def _prepare(self, picture: str | bytes, crop: Crop | None) -> _Job:
        """Stage 1: a reference's bytes, decoded, checked and preprocessed in the pool."""
        self._preparing += 1
        try:
            async with self._hands:
                begun = time.perf_counter()
                data = await self._fetcher.fetch(picture) if isinstance(picture, str) else picture
                fetched_us, fetched = self._clock(), time.perf_counter()
                self._check_running()
                pixels, fingerprint = await asyncio.get_running_loop().run_in_executor(
                    self._pool, prepare_picture, data, crop, self.encoder.preprocessing, self._images
                )
            now = time.perf_counter()
            self._metrics.stage_seconds.labels("fetch").observe(fetched - begun)
            self._metrics.stage_seconds.labels("prepare").observe(now - fetched)
            return _Job(pixels, fingerprint, fetched_us, now)
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
                self._model_thread, self._call_model, [job.pixels for _, job in batch]
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

    def _call_model(self, pictures: list[Pixels]) -> Encoded:
        """Runs in the model's thread."""
        begun = time.perf_counter()
        encoded = self.encoder.encode(np.stack(pictures))
        if encoded.vectors.shape != (len(pictures), self.encoder.dimension):
            raise ValueError(f"vectors of shape {encoded.vectors.shape} for {len(pictures)} pictures")
        self._metrics.batch_size.observe(len(pictures))
        self._metrics.stage_seconds.labels("encode").observe(time.perf_counter() - begun)
        return encoded

    def _hand_out(self, batch: _Batch, encoded: Encoded) -> None:
        now = self._clock()
        for (answer, job), vector, norm in zip(batch, encoded.vectors, encoded.norms.tolist(), strict=True):
            if not (np.isfinite(norm) and norm > 0 and np.isfinite(vector).all()):
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

    def _enter(self) -> None:
        if self._stopping:
            raise NotReady("the embedding worker is stopping", part="embedder")
        self._inside += 1
        self._idle.clear()
        self._metrics.queue_depth.set(self._inside)

    def _leave(self) -> None:
        self._inside -= 1
        self._metrics.queue_depth.set(self._inside)
        if not self._inside:
            self._idle.set()

    def _on_end(self, runner: asyncio.Task[None]) -> None:
        """However the stages end, nobody is left waiting."""
        error = None if runner.cancelled() else runner.exception()
        why = "stopped" if error is None else f"ended: {error!r}"
        for answer in self._waiting:
            _fail(answer, NotReady(f"the embedding worker {why}", part="embedder"))


def _fail(answer: _Answer, error: LookaliveError) -> None:
    if not answer.done():
        answer.set_exception(error)
