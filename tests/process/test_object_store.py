"""Pictures in a bucket, read over the wire from a local server that speaks S3."""

import asyncio
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from embedder.fetch import catalog_fetcher, query_fetcher
from embedder.fetched import Fetched, Known, Validator, nothing_known, picture_digest
from embedder.host_slots import HostSlots
from embedder.image_store import ImageStore
from embedder.object_pictures import ObjectPictures
from schemas.errors import ImageRejected
from schemas.settings import ImageSettings
from tests.process.pictures import encoded, picture

PICTURE = encoded(picture("bucket"))
IMAGES = ImageSettings(max_bytes=100_000, fetch_attempts=2, fetch_timeout_s=30.0)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Memory(dict[str, Validator]):
    """Validators in memory."""

    def validator(self, ref: str) -> Validator | None:
        return self.get(ref)

    def remember(self, ref: str, validator: Validator) -> None:
        self[ref] = validator


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    import boto3

    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = boto3.client("s3")
        client.create_bucket(Bucket="shop")
        client.put_object(Bucket="shop", Key="a/1.png", Body=PICTURE)
        client.put_object(Bucket="shop", Key="large.png", Body=b"x" * (IMAGES.max_bytes + 1))
        client.put_object(Bucket="shop", Key="empty.png", Body=b"")
        client.close()
    return "s3://shop"


class Reader:
    """A catalogue's fetcher with a memory."""

    def __init__(self, folder: Path, images: ImageSettings = IMAGES) -> None:
        self.memory = Memory()
        self.fetcher = catalog_fetcher(images, ImageStore(folder), self.memory)

    async def get(self, ref: str, known: Known = nothing_known) -> Fetched:
        async with self.fetcher.fetching(ref, known) as fetched:
            return fetched

    async def refusal(self, ref: str) -> tuple[str, bool]:
        with pytest.raises(ImageRejected) as caught:
            await self.get(ref)
        return caught.value.code, caught.value.temporary


@pytest.fixture
async def reader(tmp_path: Path) -> AsyncIterator[Reader]:
    reader = Reader(tmp_path)
    yield reader
    await reader.fetcher.close()


async def test_a_picture_in_a_bucket_is_read_and_not_again_while_it_is_the_same(bucket: str, reader: Reader) -> None:
    ref = f"{bucket}/a/1.png"
    assert await reader.get(ref) == Fetched(PICTURE, picture_digest(PICTURE))
    assert await reader.get(ref, lambda digest: True) == Fetched(None, picture_digest(PICTURE))
    assert (await reader.get(ref)).data == PICTURE

    import boto3

    other = encoded(picture("another"))
    boto3.client("s3").put_object(Bucket="shop", Key="a/1.png", Body=other)
    assert await reader.get(ref, lambda digest: True) == Fetched(other, picture_digest(other))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("shop/missing.png", ("image_unreachable", False)),
        ("nowhere/1.png", ("image_unreachable", False)),
        ("shop/large.png", ("image_too_large", False)),
        ("shop", ("image_refused", False)),
        ("shop/", ("image_refused", False)),
        ("user:secret@shop/1.png", ("image_refused", False)),
        ("shop:9000/1.png", ("image_refused", False)),
        ("/1.png", ("image_refused", False)),
        ("shop/" + "a" * 3000, ("image_refused", False)),
    ],
)
async def test_what_cannot_be_read_is_refused(
    bucket: str, reader: Reader, path: str, expected: tuple[str, bool]
) -> None:
    assert await reader.refusal(f"s3://{path}") == expected


async def test_an_empty_object_is_no_picture_but_no_error(bucket: str, reader: Reader) -> None:
    assert (await reader.get(f"{bucket}/empty.png")).data == b""


async def test_buckets_that_are_not_named_are_refused(bucket: str, tmp_path: Path) -> None:
    reader = Reader(tmp_path, ImageSettings(buckets=("s3://shop",)))
    assert (await reader.get(f"{bucket}/a/1.png")).data is not None
    assert await reader.refusal("s3://other/a/1.png") == ("image_refused", False)
    await reader.fetcher.close()


async def test_a_query_may_name_no_bucket(bucket: str) -> None:
    fetcher = query_fetcher(IMAGES)
    with pytest.raises(ImageRejected) as caught:
        await fetcher.fetch(f"{bucket}/a/1.png")
    assert caught.value.code == "image_refused"
    await fetcher.close()


async def test_a_store_that_is_away_is_tried_again_and_said(
    bucket: str, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert await reader.refusal(f"{bucket}/a/1.png") == ("image_unreachable", True)


async def test_a_filesystem_of_fsspec_is_all_that_another_store_needs() -> None:
    from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
    from fsspec.implementations.memory import MemoryFileSystem

    memory = MemoryFileSystem()
    memory.pipe_file("/shop-of-this-test/1.png", PICTURE)

    async def opened(scheme: str, images: ImageSettings) -> object:
        assert scheme == "gs"
        return AsyncFileSystemWrapper(memory)

    source = ObjectPictures("gs", IMAGES, HostSlots(2, 1), Memory(), opened)
    async with source.fetching("gs://shop-of-this-test/1.png", nothing_known) as fetched:
        assert fetched.data == PICTURE
    with pytest.raises(ImageRejected) as caught:
        async with source.fetching("gs://shop-of-this-test/2.png", nothing_known):
            pass
    assert (caught.value.code, caught.value.temporary) == ("image_unreachable", False)
    await source.close()


async def test_a_package_that_is_missing_is_named() -> None:
    async def missing(scheme: str, images: ImageSettings) -> object:
        raise ImageRejected("gs: references need the package gcsfs", code="image_refused")

    source = ObjectPictures("gs", IMAGES, HostSlots(2, 1), Memory(), missing)
    with pytest.raises(ImageRejected, match="gcsfs"):
        async with source.fetching("gs://shop/1.png", nothing_known):
            await asyncio.sleep(0)
    await source.close()
