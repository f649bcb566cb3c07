"""file: references are read only where they may, and only plain files, up to the cap."""

import os
import socket
from pathlib import Path

import pytest

from embedder.fetch import catalog_fetcher, query_fetcher
from embedder.image_store import ImageStore
from schemas.errors import ImageRejected
from schemas.settings import ImageSettings


async def reason(ref: str, images: ImageSettings, store: Path) -> str:
    with pytest.raises(ImageRejected) as caught:
        await catalog_fetcher(images, ImageStore(store)).fetch(ref)
    return caught.value.code


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


@pytest.fixture
def images(root: Path) -> ImageSettings:
    return ImageSettings(roots=(str(root),), max_bytes=1000)


@pytest.mark.parametrize("name", ["a.jpg", "a b.jpg", "100%.jpg", "a#1?.jpg", "Größe.jpg", "%41.jpg"])
@pytest.mark.parametrize("form", ["file://{}", "file:{}", "FILE://localhost{}"])
async def test_a_file_under_a_root_is_read(
    root: Path, images: ImageSettings, tmp_path: Path, name: str, form: str
) -> None:
    path = root / name
    path.write_bytes(b"picture")
    quoted = path.as_uri().removeprefix("file://")
    assert await catalog_fetcher(images, ImageStore(tmp_path)).fetch(form.format(quoted)) == b"picture"


@pytest.mark.parametrize("name", ["a b.jpg", "100%.jpg", "a#1?.jpg", "Größe.jpg"])
async def test_a_path_that_nobody_quoted_is_read_too(
    root: Path, images: ImageSettings, tmp_path: Path, name: str
) -> None:
    (root / name).write_bytes(b"picture")
    assert await catalog_fetcher(images, ImageStore(tmp_path)).fetch(f"file://{root}/{name}") == b"picture"


async def test_a_name_that_is_not_utf_8_is_read(root: Path, images: ImageSettings, tmp_path: Path) -> None:
    (root / os.fsdecode(b"\xff.jpg")).write_bytes(b"picture")
    assert await catalog_fetcher(images, ImageStore(tmp_path)).fetch(f"file://{root}/%FF.jpg") == b"picture"


async def test_nothing_outside_the_roots_is_read(root: Path, images: ImageSettings, tmp_path: Path) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"secret")
    (root / "link.jpg").symlink_to(secret)
    (root / "folder").symlink_to(tmp_path)
    sibling = tmp_path / "photos-private"
    sibling.mkdir()
    (sibling / "a.jpg").write_bytes(b"secret")
    for ref in (
        secret.as_uri(),
        f"file://{root}/../secret.jpg",
        f"file://{root}/%2e%2e/secret.jpg",
        f"file://{root}/link.jpg",
        f"file://{root}/folder/secret.jpg",
        (sibling / "a.jpg").as_uri(),
        f"file://{tmp_path}/missing.jpg",
        "file:///etc/passwd",
    ):
        assert await reason(ref, images, tmp_path) == "image_refused", ref


async def test_a_root_that_is_a_link_is_followed_where_it_points_now(tmp_path: Path) -> None:
    for release in ("1", "2"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "a.jpg").write_bytes(release.encode())
    current = tmp_path / "current"
    current.symlink_to(tmp_path / "1")
    fetcher = catalog_fetcher(ImageSettings(roots=(str(current),)), ImageStore(tmp_path))
    assert await fetcher.fetch(f"file://{current}/a.jpg") == b"1"
    current.unlink()
    current.symlink_to(tmp_path / "2")
    assert await fetcher.fetch(f"file://{current}/a.jpg") == b"2"


async def test_any_file_lifts_the_roots(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"picture")
    fetcher = catalog_fetcher(ImageSettings(any_file=True), ImageStore(tmp_path))
    assert await fetcher.fetch((tmp_path / "a.jpg").as_uri()) == b"picture"


async def test_without_roots_no_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"picture")
    assert await reason((tmp_path / "a.jpg").as_uri(), ImageSettings(), tmp_path) == "image_refused"


async def test_what_is_no_plain_file_is_refused_without_waiting(
    root: Path, images: ImageSettings, tmp_path: Path
) -> None:
    os.mkfifo(root / "pipe")
    (root / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
        for name in ("pipe", "folder", "socket"):
            assert await reason((root / name).as_uri(), images, tmp_path) == "image_refused", name
    everything = ImageSettings(any_file=True)
    assert await reason("file:///dev/zero", everything, tmp_path) == "image_refused"


async def test_what_cannot_be_reached_says_so(root: Path, images: ImageSettings, tmp_path: Path) -> None:
    (root / "loop").symlink_to(root / "loop")
    (root / "a.jpg").write_bytes(b"picture")
    for name in ("missing.jpg", "loop", "a.jpg/b.jpg", "x" * 300):
        assert await reason(f"file://{root}/{name}", images, tmp_path) == "image_unreachable", name


async def test_the_cap_is_kept(root: Path, images: ImageSettings, tmp_path: Path) -> None:
    (root / "full.jpg").write_bytes(bytes(1000))
    (root / "over.jpg").write_bytes(bytes(1001))
    assert len(await catalog_fetcher(images, ImageStore(tmp_path)).fetch((root / "full.jpg").as_uri())) == 1000
    assert await reason((root / "over.jpg").as_uri(), images, tmp_path) == "image_too_large"


@pytest.mark.parametrize(
    "ref",
    [
        "file://elsewhere/a.jpg",
        "file:a.jpg",
        "file://",
        "file:",
        "file:///a%00.jpg",
        "file:///a\ud800.jpg",
        "ftp://shop.example/a.jpg",
        "a.jpg",
        "",
        "javascript:alert(1)",
    ],
)
async def test_other_references_are_refused(tmp_path: Path, ref: str) -> None:
    assert await reason(ref, ImageSettings(any_file=True), tmp_path) == "image_refused"


async def test_a_query_may_name_no_file_and_nothing_in_the_store(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"picture")
    fetcher = query_fetcher(ImageSettings(any_file=True))
    for ref in ((tmp_path / "a.jpg").as_uri(), ImageStore(tmp_path / "store").put(b"picture")):
        with pytest.raises(ImageRejected) as caught:
            await fetcher.fetch(ref)
        assert caught.value.code == "image_refused"
