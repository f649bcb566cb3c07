"""The image store keeps bytes under what they are, whole, once, and nothing outside its folder can be named."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedder.bounded_store import BoundedStore
from embedder.image_store import ImageStore
from embedder.picture_places import PicturePlaces
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
        "store:" + "a" * 64 + "@",
        "store:" + "a" * 64 + "@" + "b" * 32,
        "store:" + "a" * 64 + "@" + "b" * 32 + "+0+-1",
        "store:" + "a" * 64 + "@" + "b" * 31 + "/+0+1",
        "store:" + "a" * 64 + "@" + "b" * 32 + "+0+" + "9" * 13,
        "store:" + "a" * 64 + "@" + "b" * 32 + "+0+\u0661",
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


@pytest.fixture
def places(tmp_path: Path) -> Iterator[PicturePlaces]:
    places = PicturePlaces(BoundedStore(tmp_path / "places", 0))
    yield places
    places.close()


def test_many_pictures_are_put_into_one_file_and_the_same_one_once(tmp_path: Path, places: PicturePlaces) -> None:
    folder = tmp_path / "images"
    store = ImageStore(folder, places=places)
    held = store.put(b"held")
    pictures = [b"one", b"held", b"two", b"one", b""]
    refs = store.put_all(pictures)
    assert [ImageStore(folder).read(ref) for ref in refs] == pictures
    assert (refs[1], refs[3]) == (held, refs[0])
    assert sorted(path.read_bytes() for path in files_of(folder)) == [b"held", b"onetwo"]
    again = store.put_all([b"two", b"three", b"held", b"four", b"one"])
    assert (again[0], again[2], again[4]) == (refs[2], held, refs[0])
    assert sorted(path.read_bytes() for path in files_of(folder)) == [b"held", b"onetwo", b"threefour"]
    assert store.put_all([]) == []


@given(calls=st.lists(st.lists(st.binary(max_size=3), max_size=6), max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_every_reference_gives_its_picture_and_no_byte_is_kept_twice(
    tmp_path_factory: pytest.TempPathFactory, calls: list[list[bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("images")
    places = PicturePlaces(BoundedStore(folder / "places", 0))
    store = ImageStore(folder / "images", places=places)
    refs = [ref for pictures in calls for ref in store.put_all(pictures)]
    places.close()
    pictures = [picture for call in calls for picture in call]
    assert [ImageStore(folder / "images").read(ref) for ref in refs] == pictures
    assert len(set(refs)) == len(set(pictures))
    kept = sum(path.stat().st_size for path in files_of(folder / "images"))
    assert kept == sum(len(picture) for picture in set(pictures))


def test_pictures_are_kept_again_where_their_file_is_gone_or_torn(tmp_path: Path, places: PicturePlaces) -> None:
    folder = tmp_path / "images"
    store, pictures = ImageStore(folder, places=places), [b"first", b"second", b"third"]
    refs = store.put_all(pictures)
    (pack,) = files_of(folder)
    pack.write_bytes(b"firstsec")
    with pytest.raises(ImageRejected) as caught:
        store.read(refs[1])
    assert caught.value.code == "image_corrupt"
    assert store.read(refs[0]) == b"first"
    assert [store.read(ref) for ref in store.put_all(pictures)] == pictures

    for path in files_of(folder):
        path.unlink()
    with pytest.raises(ImageRejected) as caught:
        store.read(refs[2])
    assert caught.value.code == "image_unreachable"
    assert store.put_all(pictures) == refs
    assert [store.read(ref) for ref in refs] == pictures


def test_a_worker_that_forgot_what_it_kept_keeps_the_same_file(tmp_path: Path) -> None:
    """As after a kill between the file and the note: the changes come again."""
    pictures = [b"first", b"second"]
    refs = ImageStore(tmp_path).put_all(pictures)
    assert ImageStore(tmp_path).put_all(pictures) == refs
    assert len(files_of(tmp_path)) == 1


def test_a_reference_makes_no_room_for_more_than_there_is(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    ref = store.put_all([b"first", b"second"])[0]
    whole, _, _ = ref.rpartition("+0+")
    for wrong in ("+0+999999999999", "+999999999999+5", "+1+5", "+0+0"):
        with pytest.raises(ImageRejected) as caught:
            store.read(whole + wrong)
        assert caught.value.code == "image_corrupt"


@pytest.mark.parametrize("times", [0, 1, 2, 3])
def test_of_many_pictures_all_are_kept_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    store, pictures = ImageStore(tmp_path / "images"), [bytes([n]) * 100 for n in range(20)]
    left = times
    fsync = os.fsync

    def no_space_later(handle: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(28, "No space left on device")
        fsync(handle)

    monkeypatch.setattr("os.fsync", no_space_later)
    try:
        refs = store.put_all(pictures)
    except DiskFailed as error:
        assert "No space left" in error.message
        # What is written and named may lack only the wait for its folder.
        assert all(path.read_bytes() == b"".join(pictures) for path in files_of(tmp_path))
    else:
        assert times == 3
        assert [store.read(ref) for ref in refs] == pictures
    monkeypatch.undo()
    assert [store.read(ref) for ref in store.put_all(pictures)] == pictures
    assert len(files_of(tmp_path)) == 1


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


def test_a_picture_that_cannot_be_opened_now_is_asked_for_again(tmp_path: Path) -> None:
    """As when the process has as many files open as it may."""
    alone, together = b"alone", [b"first", b"second"]
    refs = [ImageStore(tmp_path).put(alone), *ImageStore(tmp_path).put_all(together)]
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    caught: list[ImageRejected] = []
    try:
        for ref in refs:
            with pytest.raises(ImageRejected, match="cannot be read now") as refused:
                ImageStore(tmp_path).read(ref)
            caught.append(refused.value)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert all(error.temporary for error in caught)
    assert [ImageStore(tmp_path).read(ref) for ref in refs] == [alone, *together]
