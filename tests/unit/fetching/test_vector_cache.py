"""The vector cache: bounded, kept over restarts, dropped when damaged, and never a way around the checks."""

import asyncio
import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from prometheus_client import CollectorRegistry

from embedder.batcher import EmbeddingWorker
from embedder.bounded_store import BoundedStore
from embedder.fetch import catalog_fetcher
from embedder.fetched import Validator, picture_digest
from embedder.image_store import ImageStore
from embedder.metrics import EmbedderMetrics
from embedder.models.base import Encoded, PictureBatch
from embedder.models.fake import FakeEncoder
from embedder.vector_cache import KnownVector, VectorCache
from schemas.errors import ImageRejected
from schemas.queries import Crop
from schemas.settings import MIB, ImageSettings, ModelSettings
from tests.conftest import SmallDisk
from tests.unit.fetching.conftest import encoded

IMAGES = ImageSettings(any_file=True)


class CountingEncoder(FakeEncoder):
    def __init__(self) -> None:
        super().__init__()
        self.embedded = 0

    def encode(self, batch: PictureBatch) -> Encoded:
        self.embedded += len(batch)
        return super().encode(batch)


class Machine:
    """A worker with a cache in a folder."""

    def __init__(self, folder: Path, images: ImageSettings = IMAGES) -> None:
        self.encoder = CountingEncoder()
        self.cache = VectorCache(BoundedStore(folder / "cache", 4 * MIB), self.encoder, images)
        self.registry = CollectorRegistry()
        metrics = EmbedderMetrics(self.registry)
        fetcher = catalog_fetcher(images, ImageStore(folder / "store"), self.cache, metrics)
        self.worker = EmbeddingWorker(self.encoder, fetcher, images, ModelSettings(), metrics, cache=self.cache)

    async def __aenter__(self) -> "Machine":
        await self.worker.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.worker.stop()
        self.cache.close()

    def looked_up(self, outcome: str) -> float:
        return self.registry.get_sample_value("lookalive_embedder_cache_total", {"outcome": outcome}) or 0


def known(seed: int, dimension: int) -> KnownVector:
    vector = np.random.default_rng(seed).normal(size=dimension).astype(np.float32)
    return KnownVector(vector / np.linalg.norm(vector), 3.5, seed.to_bytes(16, "big"))


def file(folder: Path, data: bytes, name: str = "a.png") -> str:
    (folder / name).write_bytes(data)
    return (folder / name).as_uri()


async def test_the_same_picture_is_embedded_once_whatever_its_name_and_after_a_restart(tmp_path: Path) -> None:
    one, two = file(tmp_path, encoded(1), "one.png"), file(tmp_path, encoded(1), "two.png")
    async with Machine(tmp_path) as machine:
        first = await machine.worker.embed(one)
        second = await machine.worker.embed(two)
        assert machine.encoder.embedded == 1
        assert (first.cached, second.cached) == (False, True)
        assert (machine.looked_up("miss"), machine.looked_up("hit")) == (1, 1)
    async with Machine(tmp_path) as machine:
        third = await machine.worker.embed(one)
        assert machine.encoder.embedded == 0
    for again in (second, third):
        assert (again.fingerprint, again.norm) == (first.fingerprint, first.norm)
        assert np.array_equal(again.vector.astype("<f2"), first.vector.astype("<f2"))


async def test_two_who_come_at_once_embed_once(tmp_path: Path) -> None:
    ref = file(tmp_path, encoded(1))
    async with Machine(tmp_path) as machine:
        results = await asyncio.gather(*(machine.worker.embed(ref) for _ in range(20)))
        assert machine.encoder.embedded == 1
        assert len({result.vector.astype("<f2").tobytes() for result in results}) == 1
        assert machine.looked_up("miss") == 1
        assert machine.looked_up("joined") + machine.looked_up("hit") == 19


async def test_the_one_who_embeds_may_go_away(tmp_path: Path) -> None:
    ref = file(tmp_path, encoded(1))
    async with Machine(tmp_path) as machine:
        first, *others = [asyncio.create_task(machine.worker.embed(ref)) for _ in range(5)]
        while not machine.looked_up("miss"):  # noqa: ASYNC110  a counter
            await asyncio.sleep(0)
        first.cancel()
        results = await asyncio.gather(*others)
        assert len({result.fingerprint for result in results}) == 1


async def test_a_crop_is_another_picture(tmp_path: Path) -> None:
    ref = file(tmp_path, encoded(1))
    async with Machine(tmp_path) as machine:
        whole = await machine.worker.embed(ref)
        part = await machine.worker.embed(ref, Crop(x=0, y=0, width=0.5, height=0.5))
        assert not part.cached
        assert not np.array_equal(part.vector, whole.vector)


@pytest.mark.parametrize("kind", ["blank", "broken", "none"])
async def test_what_is_refused_is_refused_each_time(tmp_path: Path, kind: str) -> None:
    out = io.BytesIO()
    Image.new("RGB", (40, 40), (9, 9, 9)).save(out, "PNG")
    ref = file(tmp_path, {"blank": out.getvalue(), "broken": encoded(1)[:-200], "none": b"no picture"}[kind])
    async with Machine(tmp_path) as machine:
        codes = []
        for _ in range(2):
            with pytest.raises(ImageRejected) as caught:
                await machine.worker.embed(ref)
            codes.append(caught.value.code)
        assert codes[0] == codes[1]
        assert machine.encoder.embedded == 0


async def test_stricter_limits_are_asked_again(tmp_path: Path) -> None:
    ref = file(tmp_path, encoded(1))
    async with Machine(tmp_path) as machine:
        await machine.worker.embed(ref)
    for stricter in ({"max_pixels": 100}, {"min_side": 31}, {"max_bytes": 100}):
        async with Machine(tmp_path, ImageSettings(any_file=True, **stricter)) as machine:
            with pytest.raises(ImageRejected):
                await machine.worker.embed(ref)


@pytest.mark.parametrize("spoilt", ["MANIFEST-*", "*.sst", "CURRENT", "*.log"])
async def test_a_damaged_cache_is_dropped_and_grows_back(tmp_path: Path, spoilt: str) -> None:
    refs = [file(tmp_path, encoded(seed), f"{seed}.png") for seed in range(30)]
    async with Machine(tmp_path) as machine:
        for ref in refs:
            await machine.worker.embed(ref)
    store = BoundedStore(tmp_path / "cache", 4 * MIB)
    store.put({n.to_bytes(2, "big"): bytes(2000) for n in range(500)})
    store.close()
    for path in (tmp_path / "cache").glob(spoilt):
        path.write_bytes(b"\xa5" * max(path.stat().st_size, 1))
    async with Machine(tmp_path) as machine:
        found = [await machine.worker.embed(ref) for ref in refs]
        assert len({one.fingerprint for one in found}) == 30
        await machine.worker.embed(refs[0])
        assert machine.looked_up("hit") >= 1
    async with Machine(tmp_path) as machine:
        assert all([(await machine.worker.embed(ref)).cached for ref in refs])


def test_bytes_are_bounded_and_what_is_used_stays(tmp_path: Path) -> None:
    encoder = FakeEncoder()
    cache = VectorCache(BoundedStore(tmp_path, 4 * MIB), encoder, IMAGES)
    favourite, forgotten = picture_digest(b"favourite"), picture_digest(b"forgotten")
    cache.put({favourite: known(1, encoder.dimension), forgotten: known(2, encoder.dimension)})
    entry = 2 * encoder.dimension + 100
    rounds = 3 * 4 * MIB // entry // 50
    for turn in range(rounds):
        cache.put({picture_digest(f"{turn}/{n}".encode()): known(n, encoder.dimension) for n in range(50)})
        assert cache.knows(favourite)
    assert cache.size_bytes() <= 1.5 * 4 * MIB
    assert not cache.knows(forgotten)
    held = cache.get(favourite)
    assert held is not None
    assert held.fingerprint == known(1, encoder.dimension).fingerprint
    cache.close()


def test_a_value_that_is_none_is_no_hit(tmp_path: Path) -> None:
    encoder = FakeEncoder()
    store = BoundedStore(tmp_path, 4 * MIB)
    cache = VectorCache(store, encoder, IMAGES)
    digest = picture_digest(b"x")
    cache.put({digest: known(1, encoder.dimension)})
    key = cache._space + digest
    value = store.get(key)
    assert value is not None
    for spoilt in (b"", value[:-1], value[:-1] + bytes([value[-1] ^ 1]), bytes(len(value))):
        store.put({key: spoilt})
        assert cache.get(digest) is None
    cache.close()


def test_validators_are_kept(tmp_path: Path) -> None:
    validator = Validator("http://a/b", '"1"', "", picture_digest(b"x"))
    for _ in range(2):
        cache = VectorCache(BoundedStore(tmp_path, 4 * MIB), FakeEncoder(), IMAGES)
        cache.remember("http://a/b", validator)
        assert cache.validator("http://a/b") == validator
        assert cache.validator("http://a/c") is None
        cache.close()


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    first = BoundedStore(tmp_path, 4 * MIB)
    second = BoundedStore(tmp_path, 4 * MIB)
    second.put({b"a": b"1"})
    assert second.get(b"a") is None
    first.put({b"a": b"2"})
    assert first.get(b"a") == b"2"
    first.close()


def test_a_full_disk_means_no_caching_for_a_while(small_disk: Callable[[int], SmallDisk]) -> None:
    disk = small_disk(24 * MIB)
    store = BoundedStore(disk.folder / "cache", 8 * MIB, again_s=0.0)
    store.put({b"before": b"1"})
    disk.fill()
    for number in range(40):
        store.put({b"meanwhile-%d" % number: os.urandom(100_000)})
        disk.fill()
    assert store.get(b"meanwhile-39") is None
    disk.empty()
    store.put({b"after": b"2"})
    assert store.get(b"after") == b"2"
    store.close()
