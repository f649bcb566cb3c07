"""What goes wrong in one batch stays there; what ends the worker is seen."""

import asyncio
import io
import threading
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from prometheus_client import CollectorRegistry

from embedder.batcher import EmbeddingWorker
from embedder.fetch import query_fetcher
from embedder.metrics import EmbedderMetrics
from embedder.model_queue import Embedded
from embedder.models.base import Encoded, PictureBatch
from embedder.models.fake import FakeEncoder
from schemas.errors import ImageRejected, ModelFailed, NotReady, VectorInvalid
from schemas.settings import ImageSettings, ModelSettings


class ScriptedEncoder(FakeEncoder):
    """Runs the next of its scripts on each batch, and behaves well after the last."""

    def __init__(self, *scripts: Callable[[Encoded], Encoded]) -> None:
        super().__init__()
        self.scripts = list(scripts)
        self.sizes: list[int] = []

    def encode(self, batch: PictureBatch) -> Encoded:
        self.sizes.append(len(batch))
        encoded = super().encode(batch)
        return self.scripts.pop(0)(encoded) if self.scripts else encoded


def raising(error: Exception) -> Callable[[Encoded], Encoded]:
    def script(_: Encoded) -> Encoded:
        raise error

    return script


def picture(seed: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


async def started(encoder: FakeEncoder, registry: CollectorRegistry | None = None, **model: float) -> EmbeddingWorker:
    images = ImageSettings()
    settings = ModelSettings(**{"batch_wait_ms": 10_000, "decode_threads": 2} | model)
    metrics = EmbedderMetrics(registry or CollectorRegistry())
    worker = EmbeddingWorker(encoder, query_fetcher(images), images, settings, metrics)
    await worker.start()
    return worker


def prepared(registry: CollectorRegistry) -> float | None:
    return registry.get_sample_value("lookalive_embedder_stage_seconds_count", {"stage": "prepare"})


async def together(worker: EmbeddingWorker, count: int) -> list[Embedded | BaseException]:
    return await asyncio.gather(*(worker.embed(picture(seed)) for seed in range(count)), return_exceptions=True)


async def test_a_failing_model_call_fails_its_batch_and_not_the_worker() -> None:
    encoder = ScriptedEncoder(raising(RuntimeError("a kernel failed")))
    worker = await started(encoder)
    results = await together(worker, 4)
    assert encoder.sizes == [4]
    assert all(isinstance(result, ModelFailed) and "a kernel failed" in result.message for result in results)
    assert len({id(result) for result in results}) == 4
    assert worker.healthy
    assert all(isinstance(result, Embedded) for result in await together(worker, 4))
    await worker.stop()


async def test_a_model_that_answers_in_another_shape_fails_its_batch() -> None:
    worker = await started(ScriptedEncoder(lambda encoded: Encoded(encoded.vectors[:1], encoded.norms[:1])))
    assert all(isinstance(result, ModelFailed) for result in await together(worker, 3))
    assert worker.healthy
    await worker.stop()


@pytest.mark.parametrize("spoilt", ["nan", "inf", "zero", "nan length"])
async def test_a_useless_vector_is_its_own_pictures_only(spoilt: str) -> None:
    def spoil(encoded: Encoded) -> Encoded:
        vectors, norms = encoded.vectors.copy(), encoded.norms.copy()
        if spoilt == "zero":
            vectors[1], norms[1] = 0, 0
        elif spoilt == "nan length":
            norms[1] = np.nan
        else:
            vectors[1, 3] = np.nan if spoilt == "nan" else np.inf
        return Encoded(vectors, norms)

    worker = await started(ScriptedEncoder(spoil))
    results = await together(worker, 3)
    invalid = [result for result in results if isinstance(result, VectorInvalid)]
    assert [result.code for result in invalid] == ["vector_invalid"]
    assert sum(isinstance(result, Embedded) for result in results) == 2
    await worker.stop()


async def test_a_picture_that_cannot_be_read_leaves_its_batch_whole() -> None:
    encoder = ScriptedEncoder()
    worker = await started(encoder)
    bad = worker.embed(picture(1)[:-30])
    results = await asyncio.gather(bad, *(worker.embed(picture(seed)) for seed in range(3)), return_exceptions=True)
    assert isinstance(results[0], ImageRejected)
    assert all(isinstance(result, Embedded) for result in results[1:])
    assert sum(encoder.sizes) == 3
    await worker.stop()


async def test_out_of_memory_once_halves_the_batches_and_loses_nothing() -> None:
    encoder = ScriptedEncoder(raising(MemoryError("device")))
    worker = await started(encoder, batch_size=8)
    assert all(isinstance(result, Embedded) for result in await together(worker, 8))
    assert encoder.sizes == [8, 4, 4]
    await together(worker, 8)
    assert max(encoder.sizes[3:]) <= 4
    assert worker.healthy
    await worker.stop()


async def test_out_of_memory_twice_ends_the_worker_for_all_to_see() -> None:
    encoder = ScriptedEncoder(raising(MemoryError("device")), raising(MemoryError("device")))
    worker = await started(encoder, batch_size=4)
    async with asyncio.timeout(30):
        results = await together(worker, 10)
    assert all(isinstance(result, NotReady) for result in results)
    assert not worker.healthy
    with pytest.raises(NotReady):
        await worker.embed(picture(1))
    await worker.stop()


async def test_cancelled_callers_take_nobody_along() -> None:
    """One is cancelled while its batch is in the model, one while it is ready, one while it waits for room."""
    gate, entered = threading.Event(), threading.Event()

    def hold(encoded: Encoded) -> Encoded:
        entered.set()
        assert gate.wait(30)
        return encoded

    encoder = ScriptedEncoder(hold)
    registry = CollectorRegistry()
    worker = await started(encoder, registry, batch_size=2, batch_wait_ms=0, queue_size=4)
    first = asyncio.create_task(worker.embed(picture(0)))
    assert await asyncio.to_thread(entered.wait, 30)
    others = [asyncio.create_task(worker.embed(picture(seed))) for seed in range(1, 6)]
    async with asyncio.timeout(30):
        while prepared(registry) != 4:  # noqa: ASYNC110  a counter
            await asyncio.sleep(0.001)
    for task in (first, others[0], others[4]):
        task.cancel()
    await asyncio.sleep(0)
    gate.set()
    results = await asyncio.gather(first, *others, return_exceptions=True)
    assert [isinstance(result, asyncio.CancelledError) for result in results] == [True, True, False, False, False, True]
    assert all(isinstance(result, Embedded) for result in results[2:5])
    assert sum(encoder.sizes) == 4
    assert worker.healthy
    assert all(isinstance(result, Embedded) for result in await together(worker, 4))
    await worker.stop()


async def test_stop_answers_those_inside_and_takes_no_more() -> None:
    worker = await started(ScriptedEncoder(), batch_size=3)
    calls = [asyncio.create_task(worker.embed(picture(seed))) for seed in range(10)]
    await asyncio.sleep(0)
    await worker.stop()
    assert all(isinstance(result, Embedded) for result in await asyncio.gather(*calls, return_exceptions=True))
    assert not worker.healthy
    with pytest.raises(NotReady):
        await worker.embed(picture(1))
    await worker.stop()


async def test_stop_gives_up_on_a_model_that_hangs() -> None:
    gate, entered = threading.Event(), threading.Event()

    def hang(encoded: Encoded) -> Encoded:
        entered.set()
        gate.wait(30)
        return encoded

    worker = await started(ScriptedEncoder(hang), batch_size=1, queue_size=2)
    calls = [asyncio.create_task(worker.embed(picture(seed))) for seed in range(4)]
    assert await asyncio.to_thread(entered.wait, 30)
    await worker.stop(timeout_s=0.05)
    async with asyncio.timeout(30):
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, NotReady) for result in results)
    gate.set()


async def test_a_worker_that_was_never_started_says_so() -> None:
    images = ImageSettings()
    worker = EmbeddingWorker(
        FakeEncoder(), query_fetcher(images), images, ModelSettings(), EmbedderMetrics(CollectorRegistry())
    )
    assert not worker.healthy
    with pytest.raises(NotReady):
        await worker.embed(picture(1))
    await worker.stop()
