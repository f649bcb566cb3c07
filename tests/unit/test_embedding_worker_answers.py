"""Whatever is embedded together, everyone gets the answer they would get alone."""

import asyncio
import base64
import functools
import io
from collections.abc import AsyncIterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from prometheus_client import CollectorRegistry

from embedder.batcher import EmbeddingWorker
from embedder.fetch import decode_data_url, query_fetcher
from embedder.metrics import EmbedderMetrics
from embedder.model_queue import Embedded
from embedder.models.base import Encoder
from embedder.models.fake import FakeEncoder
from embedder.prepare import prepare_picture
from schemas.errors import ImageRejected, InputError, LookaliveError
from schemas.queries import Crop
from schemas.settings import ImageSettings, ModelSettings

IMAGES = ImageSettings()


class Clock:
    """Every look at it is a microsecond later."""

    def __init__(self) -> None:
        self.now = 1_000_000

    def __call__(self) -> int:
        self.now += 1
        return self.now


def worker(model: ModelSettings, registry: CollectorRegistry, encoder: Encoder | None = None) -> EmbeddingWorker:
    return EmbeddingWorker(
        encoder or FakeEncoder(), query_fetcher(IMAGES), IMAGES, model, EmbedderMetrics(registry), clock=Clock()
    )


@functools.cache
def picture(seed: int) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


BAD = (b"", b"<html>", picture(0)[:80], "file:///etc/passwd", "data:image/png;base64,AAAA")
CROPS = (None, Crop(0.25, 0.25, 0.5, 0.5), Crop(0.5, 0.5, 0.9, 0.9))

Ask = tuple[str | bytes, Crop | None]
asks = st.tuples(st.integers(0, 6).map(picture) | st.sampled_from(BAD), st.sampled_from(CROPS))


def alone(ask: Ask) -> tuple[bytes, bytes] | str:
    """The vector's bytes and the fingerprint straight from the functions, or the error's code."""
    encoder = FakeEncoder()
    data, crop = ask
    try:
        if isinstance(data, str):
            if not data.startswith("data:"):
                return "image_refused"
            data = decode_data_url(data, IMAGES.max_bytes)
        pixels, fingerprint = prepare_picture(data, crop, encoder.preprocessing, IMAGES)
    except LookaliveError as error:
        return error.code
    return encoder.encode(pixels[None]).vectors[0].tobytes(), fingerprint


def outcome(result: Embedded | BaseException) -> tuple[bytes, bytes] | str:
    if isinstance(result, LookaliveError):
        return result.code
    assert isinstance(result, Embedded), result
    return result.vector.tobytes(), result.fingerprint


@given(
    many=st.lists(asks, max_size=24),
    batch_size=st.integers(1, 9),
    batch_wait_ms=st.sampled_from([0.0, 1.0, 30.0]),
    threads=st.integers(1, 3),
    queue_size=st.integers(1, 30),
    pauses=st.lists(st.integers(0, 2), min_size=24, max_size=24),
)
@settings(max_examples=60, deadline=None)
def test_any_mixture_of_pictures_gives_what_each_gives_alone(
    many: list[Ask], batch_size: int, batch_wait_ms: float, threads: int, queue_size: int, pauses: list[int]
) -> None:
    registry = CollectorRegistry()

    async def ask(embedding: EmbeddingWorker, what: Ask, pause: int) -> Embedded:
        for _ in range(pause):
            await asyncio.sleep(0)
        return await embedding.embed(*what)

    async def scenario() -> list[Embedded | BaseException]:
        model = ModelSettings(
            batch_size=batch_size, batch_wait_ms=batch_wait_ms, decode_threads=threads, queue_size=queue_size
        )
        embedding = worker(model, registry)
        await embedding.start()
        try:
            calls = [ask(embedding, what, pause) for what, pause in zip(many, pauses, strict=False)]
            return await asyncio.gather(*calls, return_exceptions=True)
        finally:
            assert embedding.healthy
            await embedding.stop()

    results = asyncio.run(scenario())
    assert [outcome(result) for result in results] == [alone(ask) for ask in many]
    good = sum(isinstance(result, Embedded) for result in results)
    assert registry.get_sample_value("lookalive_embedder_batch_size_sum") == good
    assert registry.get_sample_value("lookalive_embedder_queue_depth") in {0, None}
    assert (registry.get_sample_value("lookalive_embedder_batch_size_count") or 0) * batch_size >= good


@pytest.fixture
async def embedding() -> AsyncIterator[EmbeddingWorker]:
    started = worker(ModelSettings(batch_size=4), CollectorRegistry())
    await started.start()
    yield started
    await started.stop()


async def test_an_answer_has_its_times_in_order_and_its_length(embedding: EmbeddingWorker) -> None:
    answer = await embedding.embed(picture(1))
    assert 1_000_000 < answer.fetched_us < answer.embedded_us
    assert answer.vector.dtype == np.float32
    assert answer.vector.shape == (embedding.encoder.dimension,)
    assert abs(np.linalg.norm(answer.vector) - 1) < 1e-6
    assert answer.norm > 0
    assert len(answer.fingerprint) == 16


async def test_a_picture_by_reference_is_the_picture_by_bytes(embedding: EmbeddingWorker) -> None:
    by_bytes = await embedding.embed(picture(2))
    by_reference = await embedding.embed("data:image/png;base64," + base64.b64encode(picture(2)).decode())
    np.testing.assert_array_equal(by_bytes.vector, by_reference.vector)
    assert by_bytes.fingerprint == by_reference.fingerprint


async def test_a_crop_changes_the_vector_and_not_the_fingerprint(embedding: EmbeddingWorker) -> None:
    whole, part = await embedding.embed(picture(3)), await embedding.embed(picture(3), Crop(0, 0, 0.5, 0.5))
    assert whole.fingerprint == part.fingerprint
    assert float(whole.vector @ part.vector) < 0.999
    with pytest.raises(InputError):
        await embedding.embed(picture(3), Crop(0.5, 0, 0.6, 1))


async def test_too_many_bytes_are_refused_before_they_are_decoded() -> None:
    small = EmbeddingWorker(
        FakeEncoder(),
        query_fetcher(IMAGES),
        ImageSettings(max_bytes=100),
        ModelSettings(),
        EmbedderMetrics(CollectorRegistry()),
    )
    await small.start()
    with pytest.raises(ImageRejected) as caught:
        await small.embed(picture(1))
    assert caught.value.code == "image_too_large"
    await small.stop()
