"""Training, stream and query show a model the very same pixels, whatever the file; only augmentation changes them."""

import asyncio
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from prometheus_client import CollectorRegistry

from embedder.batcher import EmbeddingWorker
from embedder.fetch import catalog_fetcher
from embedder.image_store import ImageStore
from embedder.metrics import EmbedderMetrics
from embedder.models.base import Encoded, PictureBatch
from embedder.models.fake import FakeEncoder
from embedder.preprocess import Preprocessing
from embedder.training.augmentation import NO_CHANGE
from embedder.training.pixel_store import PixelStore
from embedder.training.view_loader import ViewLoader
from ops.evaluation.pictures import Picture
from ops.training.decoding import Wanted, decode_all
from query_router import query_embedding
from query_router.query_embedding import QueryEmbedder
from schemas.cluster import Generation
from schemas.settings import ImageSettings, ModelSettings, Settings


class Recorder(FakeEncoder):
    """Keeps the pictures it is shown."""

    def __init__(self, spec: Preprocessing) -> None:
        super().__init__()
        self.preprocessing = spec
        self.shown: list[np.ndarray] = []

    def encode(self, batch: PictureBatch) -> Encoded:
        self.shown.extend(batch.copy())
        return super().encode(np.ascontiguousarray(batch[:, :32, :32]))


def scene(height: int, width: int) -> Image.Image:
    small = np.random.default_rng(7).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def turned_jpeg() -> bytes:
    exif = Image.Exif()
    exif[0x112] = 6
    return encoded(scene(300, 200), "JPEG", exif=exif)


def translucent_png() -> bytes:
    image = scene(120, 90).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize((90, 120)))
    return encoded(image, "PNG")


def deep_png() -> bytes:
    values = np.asarray(scene(100, 140).convert("L")).astype(np.uint16) * 257
    return encoded(Image.fromarray(values), "PNG")


FILES: dict[str, Callable[[], bytes]] = {
    "a JPEG that is decoded smaller": lambda: encoded(scene(900, 1200), "JPEG"),
    "a JPEG on its side": turned_jpeg,
    "a JPEG in CMYK": lambda: encoded(scene(150, 130).convert("CMYK"), "JPEG"),
    "a translucent PNG": translucent_png,
    "a PNG of 16 bits": deep_png,
    "a small WebP": lambda: encoded(scene(40, 33), "WEBP"),
    "a GIF": lambda: encoded(scene(160, 110), "GIF"),
}


def as_trained(path: Path, spec: Preprocessing, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """What an epoch without augmentation shows, and what epochs are judged by."""
    store = PixelStore(path.parent)
    picture = Picture("a", "a", path.as_uri(), None, "item a", None, None)
    decoded = decode_all(settings, [Wanted(picture, keep=True, prepare=True)], spec, store, 1, lambda: None)
    store.freeze()
    loader = ViewLoader(store, np.array([0]), NO_CHANGE, spec, seed=1, views=1)
    (batch,) = loader.epoch(0, [np.array([0])])
    store.close()
    judged = decoded.seen[0].prepared
    assert judged is not None
    return batch.views[0], judged


async def as_streamed(path: Path, spec: Preprocessing, settings: Settings) -> np.ndarray:
    encoder = Recorder(spec)
    images = ImageSettings(any_file=True)
    fetcher = catalog_fetcher(images, ImageStore(settings.image_store_path))
    worker = EmbeddingWorker(encoder, fetcher, images, ModelSettings(), EmbedderMetrics(CollectorRegistry()))
    await worker.start()
    await worker.embed(path.as_uri())
    await worker.stop()
    return encoder.shown[0]


async def as_asked(data: bytes, spec: Preprocessing, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    encoder = Recorder(spec)
    monkeypatch.setattr(query_embedding, "load_encoder", lambda model: encoder)
    embedder = QueryEmbedder(ModelSettings(), ImageSettings(), CollectorRegistry())
    await embedder.start()
    generation = Generation(
        name="g", model=encoder.name, fingerprint=encoder.fingerprint, dimension=encoder.dimension, shards=1
    )
    await embedder.embed(data, None, generation, float("inf"))
    await embedder.stop()
    return encoder.shown[0]


@pytest.mark.parametrize("resize", ["squash", "centre", "letterbox"])
@pytest.mark.parametrize("file", FILES)
async def test_the_same_file_is_the_same_pixels_everywhere(
    file: str, resize: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = Preprocessing(size=96, resize=resize, crop_share=0.9)  # type: ignore[arg-type]
    settings = Settings(data_dir=str(tmp_path / "data"))
    data = FILES[file]()
    path = tmp_path / "picture"
    path.write_bytes(data)
    streamed = await as_streamed(path, spec, settings)
    assert (streamed.shape, streamed.dtype) == ((96, 96, 3), np.dtype(np.uint8))
    assert streamed.std() > 1, "no picture of one colour"
    trained, judged = await asyncio.to_thread(as_trained, path, spec, settings)
    np.testing.assert_array_equal(trained, streamed)
    np.testing.assert_array_equal(judged, streamed)
    np.testing.assert_array_equal(await as_asked(data, spec, monkeypatch), streamed)
