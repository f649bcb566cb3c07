"""Vectors of pictures and of their variants, made as the stream makes them: one fetcher, one worker, one cache."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry

from embedder.batcher import EmbeddingWorker
from embedder.bounded_store import BoundedStore
from embedder.decode import decode_image
from embedder.evaluation.variants import variant
from embedder.fetch import SchemeFetcher, catalog_fetcher
from embedder.image_store import ImageStore
from embedder.metrics import EmbedderMetrics
from embedder.models.base import Encoder
from embedder.vector_cache import VectorCache
from schemas.errors import ImageRejected, VectorInvalid
from schemas.settings import MIB, ImageSettings, ModelSettings, Settings

Float32Array = npt.NDArray[np.float32]

CACHE = "evaluate"
"""The name of the cache beside those of the stream workers."""

BATCHES_AHEAD = 2


class Job(NamedTuple):
    """A picture, and the changes to make of it (names of `VARIANTS`); without any, it is embedded as it is.

    `name` seeds the changes.
    """

    ref: str
    name: str
    changes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many vectors come of it."""
        return len(self.changes) or 1


class Vectors(NamedTuple):
    """One row per picture or variant, in order: `vectors` (n, dimension) float32 as an index holds them (rounded to
    fp16), NaN where there is none; `fingerprints` of the pictures, empty where there is none; `refused` says why, by
    row; `cached` counts those that no model was asked for."""

    vectors: Float32Array
    fingerprints: list[bytes]
    refused: dict[int, str]
    cached: int


class _Tools(NamedTuple):
    worker: EmbeddingWorker
    fetcher: SchemeFetcher
    images: ImageSettings
    seed: int


def embed_jobs(
    settings: Settings, model: ModelSettings, encoder: Encoder, jobs: Sequence[Job], seed: int, done: Callable[[], None]
) -> Vectors:
    """Embed all, many at a time; `done` is called after every job. What is refused is said, and ends nothing.

    Raises:
        ModelFailed, NotReady: the model failed on a batch, or ran out of memory twice.
    """
    starts = np.cumsum([0, *(job.rows for job in jobs)]).tolist()
    made = Vectors(np.full((starts[-1], encoder.dimension), np.nan, dtype=np.float32), [b""] * starts[-1], {}, 0)
    cached = asyncio.run(_embed_all(settings, model, encoder, list(zip(starts, jobs, strict=False)), seed, made, done))
    return made._replace(cached=cached)


async def _embed_all(
    settings: Settings,
    model: ModelSettings,
    encoder: Encoder,
    jobs: list[tuple[int, Job]],
    seed: int,
    made: Vectors,
    done: Callable[[], None],
) -> int:
    cached = 0
    waiting = iter(jobs)

    async def take(tools: _Tools, waiting: Iterator[tuple[int, Job]]) -> None:
        nonlocal cached
        for row, job in waiting:
            known = await _embed_job(tools, job, row, made)
            cached += known  # not in one step: others count while this one waits
            done()

    async with _tools(settings, model, encoder, seed) as tools:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(BATCHES_AHEAD * model.batch_size, model.queue_size, len(jobs))):
                    group.create_task(take(tools, waiting))
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from failed
    return cached


async def _embed_job(tools: _Tools, job: Job, row: int, made: Vectors) -> int:
    """Fill the job's rows; how many of them were known already."""
    pictures: Sequence[str | bytes]
    try:
        pictures = await _changed(tools, job) if job.changes else [job.ref]
    except ImageRejected as error:
        made.refused.update({row + number: f"{job.name}: {error.message}" for number in range(job.rows)})
        return 0
    cached = 0
    for number, picture in enumerate(pictures, start=row):
        try:
            embedded = await tools.worker.embed(picture)
        except (ImageRejected, VectorInvalid) as error:
            made.refused[number] = f"{job.name}: {error.message}"
            continue
        made.vectors[number] = embedded.vector.astype(np.float16)
        made.fingerprints[number] = embedded.fingerprint
        cached += embedded.cached
    return cached


async def _changed(tools: _Tools, job: Job) -> list[bytes]:
    data = await tools.fetcher.fetch(job.ref)

    def make() -> list[bytes]:
        pixels = decode_image(data, tools.images.max_pixels)
        return [variant(pixels, change, f"{tools.seed}/{job.name}") for change in job.changes]

    return await asyncio.to_thread(make)


@asynccontextmanager
async def _tools(settings: Settings, model: ModelSettings, encoder: Encoder, seed: int) -> AsyncIterator[_Tools]:
    """The stream's worker, fetcher and cache. Whoever runs the command may read any file, and so may it."""
    images = msgspec.structs.replace(settings.images, any_file=True)
    metrics = EmbedderMetrics(CollectorRegistry())
    cache = None
    if images.cache_mib:
        folder = settings.data_path / "cache" / "vectors" / CACHE
        cache = VectorCache(BoundedStore(folder, images.cache_mib * MIB), encoder, images)
    fetcher = catalog_fetcher(images, ImageStore(settings.image_store_path), cache, metrics)
    worker = EmbeddingWorker(encoder, fetcher, images, model, metrics, cache=cache)
    await worker.start()
    try:
        yield _Tools(worker, fetcher, images, seed)
    finally:
        await worker.stop()
        if cache is not None:
            cache.close()
