"""The image store keeps bytes under what they are, whole, once, and nothing outside its folder can be named."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedder.image_store import ImageStore
from schemas.errors import ImageRejected


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
    with pytest.raises(OSError, match="No space left"):
        ImageStore(tmp_path).put(b"picture")
    assert files_of(tmp_path) == []
