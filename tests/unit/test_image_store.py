"""The image store keeps bytes under what they are, whole, once, and nothing outside its folder can be named."""

import os
import resource
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedder.image_store import OPEN_AT_ONCE, ImageStore
from schemas.errors import DiskFailed, ImageRejected


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@given(pictures=st.lists(st.binary(max_size=64), max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_put_and_read_give_the_bytes_back_and_putting_twice_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, pictures: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("images")
    store = ImageStore(folder)
    refs = [store.put(picture) for picture in pictures]
    before = [(path, path.stat().st_mtime_ns) for path in files_of(folder)]

    assert [store.put(picture) for picture in pictures] == refs
    assert [(path, path.stat().st_mtime_ns) for path in files_of(folder)] == before
    assert len(before) == len(set(pictures)) == len(set(refs))
    assert [ImageStore(folder).read(ref) for ref in refs] == pictures


@pytest.mark.parametrize(
    "ref",
    [
        "store:",
        "store:../../../../etc/passwd",
        "store:" + "a" * 63,
        "store:" + "a" * 65,
        "store:" + "A" * 64,
        "store:" + "a" * 64 + "\n",
        "store:" + "a" * 60 + "/../",
        "file:" + "a" * 64,
        "a" * 64,
        "store:" + "\u0661" * 64,
    ],
)
def test_what_is_no_reference_is_refused(tmp_path: Path, ref: str) -> None:
    with pytest.raises(ImageRejected) as caught:
        ImageStore(tmp_path).read(ref)
    assert caught.value.code == "image_refused"


def test_a_missing_picture_is_unreachable(tmp_path: Path) -> None:
    ref = ImageStore(tmp_path / "one").put(b"picture")
    with pytest.raises(ImageRejected) as caught:
        ImageStore(tmp_path / "other").read(ref)
    assert caught.value.code == "image_unreachable"


def test_a_damaged_file_is_not_served_and_a_torn_one_is_put_again(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    ref = store.put(b"a whole picture")
    (path,) = files_of(tmp_path)
    path.write_bytes(b"a spoilt picture"[: len(b"a whole picture")])
    with pytest.raises(ImageRejected) as caught:
        store.read(ref)
    assert caught.value.code == "image_corrupt"

    path.write_bytes(b"a wh")
    assert store.put(b"a whole picture") == ref
    assert store.read(ref) == b"a whole picture"


def test_a_failed_write_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(DiskFailed, match="No space left"):
        ImageStore(tmp_path).put(b"picture")
    assert files_of(tmp_path) == []


def test_many_pictures_are_put_at_once_and_the_same_one_once(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    held = store.put(b"held")
    refs = store.put_all([b"one", b"held", b"two", b"one", b""])
    assert [store.read(ref) for ref in refs] == [b"one", b"held", b"two", b"one", b""]
    assert (refs[1], refs[3]) == (held, refs[0])
    assert len(files_of(tmp_path)) == 4
    assert store.put_all([]) == []


def test_of_many_pictures_each_is_kept_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, pictures, fsync = ImageStore(tmp_path), [bytes([n]) * 100 for n in range(20)], os.fsync
    left = 7

    def no_space_later(handle: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(28, "No space left on device")
        fsync(handle)

    monkeypatch.setattr("os.fsync", no_space_later)
    with pytest.raises(DiskFailed, match="No space left"):
        store.put_all(pictures)
    assert [path.read_bytes() for path in files_of(tmp_path) if path.read_bytes() not in pictures] == []
    monkeypatch.setattr("os.fsync", fsync)
    assert [store.read(ref) for ref in store.put_all(pictures)] == pictures
    assert len(files_of(tmp_path)) == len(pictures)


def test_pictures_of_the_former_folders_are_still_read(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    ref = store.put(b"picture")
    (path,) = files_of(tmp_path)
    former = tmp_path / path.name[:2] / path.name[2:4] / path.name
    former.parent.mkdir(parents=True)
    path.rename(former)
    assert store.read(ref) == b"picture"
    former.write_bytes(b"another")
    with pytest.raises(ImageRejected) as caught:
        store.read(ref)
    assert caught.value.code == "image_corrupt"


def test_more_pictures_than_may_be_open_at_once_are_kept(tmp_path: Path) -> None:
    pictures = [b"picture %d" % number for number in range(3 * OPEN_AT_ONCE + 1)]
    refs = ImageStore(tmp_path).put_all(pictures)
    assert [ImageStore(tmp_path).read(ref) for ref in refs] == pictures


def test_a_picture_that_cannot_be_opened_now_is_asked_for_again(tmp_path: Path) -> None:
    """As when the process has as many files open as it may."""
    ref = ImageStore(tmp_path).put(b"picture")
    (path,) = files_of(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        with pytest.raises(ImageRejected, match="cannot be read now") as caught:
            ImageStore(tmp_path).read(ref)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert caught.value.temporary
    assert ImageStore(tmp_path).read(ref) == path.read_bytes()
