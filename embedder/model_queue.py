"""The model's queue: prepared pictures of many callers through one model, in micro-batches."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple

import numpy as np

from embedder.decode import Pixels
from embedder.known_pictures import KnownPictures
from embedder.metrics import EmbedderMetrics
from embedder.models.base import Encoded, Encoder, Float32Array
from embedder.vector_cache import KnownVector
from schemas.errors import LookaliveError, ModelFailed, NotReady, VectorInvalid
from schemas.settings import ModelSettings


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


class Job(NamedTuple):
    """A prepared picture whose caller waits; `since` is of `time.perf_counter`."""

    pixels: Pixels
    fingerprint: bytes
    fetched_us: int
    since: float
    digest: bytes | None


_Answer = asyncio.Future[Embedded]
_Batch = list[tuple[_Answer, Job]]


class ModelQueue:
    """Collects what is prepared into batches, and answers each picture's caller.

    Running out of memory in the model halves the batches once; the second time the queue ends, and whoever waits gets
    `NotReady`.
    """

    def __init__(
        self,
        encoder: Encoder,
        model: ModelSettings,
        known: KnownPictures,
        metrics: EmbedderMetrics,
        clock: Callable[[], int],
    ) -> None:
        self._encoder = encoder
        self._known = known
        self._metrics = metrics
        self._clock = clock
        self._wait_s = model.batch_wait_ms / 1000
        self._limit = model.batch_size
        self._halved = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._encode_seconds = metrics.stage_seconds.labels("encode")
        self._wait_seconds = metrics.stage_seconds.labels("wait")
        self._ready: dict[_Answer, Job] = {}
        self._waiting: set[_Answer] = set()
        self._coming = 0
        self._moved = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None

    @property
    def runs(self) -> bool:
        """Whether it was started and has not ended."""
        return self._runner is not None and not self._runner.done()

    def check(self) -> None:
        """Passes while it runs; raises NotReady."""
        if not self.runs:
            raise NotReady("the embedding worker is not running", part="embedder")

    def start(self) -> None:
        """Begin, in the running event loop."""
        self._runner = asyncio.create_task(self._run(), name="embedding-worker")
        self._runner.add_done_callback(self._on_end)

    async def stop(self) -> None:
        """End; whoever waits gets `NotReady`."""
        if self._runner is not None and not self._runner.done():
            self._runner.cancel()
            await asyncio.wait([self._runner])
        self._thread.shutdown(wait=False)

    def expect(self, pictures: int) -> None:
        """So many more are being prepared, or fewer: a batch waits for them a little."""
        self._coming += pictures
        if pictures < 0:
            self._moved.set()

    async def answer_of(self, job: Job) -> Embedded:
        """What the model makes of a picture; a caller that is cancelled takes its picture along.

        Raises:
            VectorInvalid: no usable vector.
            ModelFailed: the model raised on the batch.
            NotReady: the queue does not run, or ended meanwhile.
        """
        self.check()
        answer: _Answer = asyncio.get_running_loop().create_future()
        self._ready[answer] = job
        self._waiting.add(answer)
        self._moved.set()
        try:
            embedded = await answer
        finally:
            self._ready.pop(answer, None)
            self._waiting.discard(answer)
        self._wait_seconds.observe(time.perf_counter() - job.since)
        return embedded

    async def _collect(self) -> _Batch:
        """What is ready, waiting for more only while more is being prepared."""
        await self._until_moved(lambda: bool(self._ready))
        try:
            async with asyncio.timeout(self._wait_s):
                await self._until_moved(lambda: len(self._ready) >= self._limit or not self._coming)
        except TimeoutError:
            pass
        batch = list(islice(self._ready.items(), self._limit))
        for answer, _ in batch:
            del self._ready[answer]
        return batch

    async def _encode(self, batch: _Batch) -> None:
        """The model on a batch, and every caller's answer."""
        try:
            encoded = await asyncio.get_running_loop().run_in_executor(
                self._thread, self._call_model, [job for _, job in batch]
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

    def _call_model(self, jobs: list[Job]) -> Encoded:
        """Runs in the model's thread, as does the writing to the cache."""
        begun = time.perf_counter()
        encoded = self._encoder.encode(np.stack([job.pixels for job in jobs]))
        if encoded.vectors.shape != (len(jobs), self._encoder.dimension):
            raise ValueError(f"vectors of shape {encoded.vectors.shape} for {len(jobs)} pictures")
        self._metrics.batch_size.observe(len(jobs))
        self._encode_seconds.observe(time.perf_counter() - begun)
        made = zip(jobs, encoded.vectors, encoded.norms.tolist(), _usable(encoded), strict=True)
        self._known.keep(
            {j.digest: KnownVector(v, norm, j.fingerprint) for j, v, norm, good in made if j.digest and good}
        )
        return encoded

    def _hand_out(self, batch: _Batch, encoded: Encoded) -> None:
        now = self._clock()
        made = zip(batch, encoded.vectors, encoded.norms.tolist(), _usable(encoded), strict=True)
        for (answer, job), vector, norm, good in made:
            if not good:
                _fail(answer, VectorInvalid(f"the model made a vector of length {norm} of the picture", norm=str(norm)))
            elif not answer.done():
                answer.set_result(Embedded(vector.copy(), job.fingerprint, job.fetched_us, now, norm))

    async def _until_moved(self, reached: Callable[[], bool]) -> None:
        while not reached():
            self._moved.clear()
            await self._moved.wait()

    def _on_end(self, runner: asyncio.Task[None]) -> None:
        """However the stages end, nobody is left waiting."""
        error = None if runner.cancelled() else runner.exception()
        why = "stopped" if error is None else f"ended: {error!r}"
        for answer in self._waiting:
            _fail(answer, NotReady(f"the embedding worker {why}", part="embedder"))


def _usable(encoded: Encoded) -> list[bool]:
    norms = encoded.norms
    good: list[bool] = (np.isfinite(norms) & (norms > 0) & np.isfinite(encoded.vectors).all(axis=1)).tolist()
    return good


def _fail(answer: _Answer, error: LookaliveError) -> None:
    if not answer.done():
        answer.set_exception(error)
