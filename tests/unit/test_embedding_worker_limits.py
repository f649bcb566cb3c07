"""The worker's queue is bounded: a query is turned away, a stream waits, batches stay within their size."""

import asyncio
import io
import threading

import numpy as np
import pytest
from PIL import Image
from prometheus_client import CollectorRegistry

from embedder.batcher import EmbeddingWorker
from embedder.fetch import query_fetcher
from embedder.metrics import EmbedderMetrics
from embedder.models.base import Encoded, PictureBatch
from embedder.models.fake import FakeEncoder
from schemas.errors import Busy
from schemas.settings import ImageSettings, ModelSettings


class GatedEncoder(FakeEncoder):
    """Waits at a gate before each batch and notes the batches' sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.sizes: list[int] = []

    def encode(self, batch: PictureBatch) -> Encoded:
        self.sizes.append(len(batch))
        self.entered.set()
        assert self.gate.wait(30)
        return super().encode(batch)


def picture(seed: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


class Bench:
    """A started worker around a gated encoder."""

    def __init__(self, **model: float) -> None:
        self.registry = CollectorRegistry()
        self.encoder = GatedEncoder()
        images = ImageSettings()
        self.worker = EmbeddingWorker(
            self.encoder, query_fetcher(images), images, ModelSettings(**model), EmbedderMetrics(self.registry)
        )

    def metric(self, name: str) -> float | None:
        return self.registry.get_sample_value(f"lookalive_embedder_{name}")

    async def until_inside(self, count: int) -> None:
        async with asyncio.timeout(30):
            while self.metric("queue_depth") != count or not self.encoder.entered.is_set():  # noqa: ASYNC110  a gauge
                await asyncio.sleep(0.001)

    async def until_prepared(self, count: int) -> None:
        async with asyncio.timeout(30):
            while self.prepared() != count:  # noqa: ASYNC110  a counter
                await asyncio.sleep(0.001)

    def prepared(self) -> float | None:
        return self.registry.get_sample_value("lookalive_embedder_stage_seconds_count", {"stage": "prepare"})


async def test_a_full_queue_turns_a_query_away_and_lets_a_stream_wait() -> None:
    bench = Bench(queue_size=3, batch_size=1)
    await bench.worker.start()
    inside = [asyncio.create_task(bench.worker.embed(picture(seed))) for seed in range(3)]
    await bench.until_inside(3)

    with pytest.raises(Busy) as caught:
        await bench.worker.embed(picture(9), wait=False)
    assert caught.value.details == {"queue_size": 3}
    assert bench.metric("busy_total") == 1
    waiting = asyncio.create_task(bench.worker.embed(picture(4)))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    assert bench.metric("queue_depth") == 3

    bench.encoder.gate.set()
    answers = await asyncio.gather(*inside, waiting)
    assert len({answer.fingerprint for answer in answers}) == 4
    assert bench.metric("queue_depth") == 0
    assert (await bench.worker.embed(picture(9), wait=False)).norm > 0
    await bench.worker.stop()


async def test_what_gathers_while_the_model_works_becomes_the_next_batches() -> None:
    bench = Bench(queue_size=100, batch_size=8, batch_wait_ms=10_000)
    await bench.worker.start()
    first = asyncio.create_task(bench.worker.embed(picture(0)))
    await bench.until_inside(1)
    rest = [asyncio.create_task(bench.worker.embed(picture(seed))) for seed in range(1, 21)]
    await bench.until_prepared(21)
    bench.encoder.gate.set()
    await asyncio.gather(first, *rest)
    assert bench.encoder.sizes == [1, 8, 8, 4]
    assert bench.metric("batch_size_count") == 4
    await bench.worker.stop()


async def test_a_lone_picture_waits_for_nobody() -> None:
    bench = Bench(batch_wait_ms=3_600_000)
    bench.encoder.gate.set()
    await bench.worker.start()
    async with asyncio.timeout(60):
        await bench.worker.embed(picture(1))
    await bench.worker.stop()


async def test_a_batch_does_not_wait_for_a_picture_that_turns_out_bad() -> None:
    bench = Bench(batch_wait_ms=3_600_000, decode_threads=2)
    bench.encoder.gate.set()
    await bench.worker.start()
    async with asyncio.timeout(60):
        bad, good = await asyncio.gather(
            bench.worker.embed(picture(1)[:-200]), bench.worker.embed(picture(2)), return_exceptions=True
        )
    assert isinstance(bad, Exception)
    assert not isinstance(good, BaseException)
    await bench.worker.stop()
