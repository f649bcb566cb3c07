"""A full or read-only disk is told from other failures, and said with the folder and what there is to do."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rocksdict import Options, Rdict

from embedder.image_store import ImageStore
from schemas.disk import cannot_write, check_room, check_writable, disk_reason
from schemas.errors import DiskFailed
from tests.conftest import SmallDisk

MIB = 1024 * 1024


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_the_disks_words_are_found_in_what_libraries_make_of_them(number: int) -> None:
    words = os.strerror(number)
    assert disk_reason(OSError(number, words)) == words
    assert disk_reason(Exception(f"IO error: {words}: While appending to file: x.log: {words}")) == words
    assert disk_reason(shutil.Error([("a", "b", f"[Errno {number}] {words}")])) == words
    assert disk_reason(OSError(errno.ENOENT, os.strerror(errno.ENOENT))) is None
    assert disk_reason(ValueError("no")) is None


def test_the_error_names_the_folder_and_what_is_free(tmp_path: Path) -> None:
    missing = tmp_path / "not" / "there"
    error = cannot_write("pictures", missing, "No space left on device")
    assert error.message.startswith(f"pictures cannot be written to {missing}: No space left on device (")
    assert "MiB are free" in error.message
    assert (error.code, error.http_status) == ("disk_failed", 503)
    with pytest.raises(DiskFailed, match=r"a snapshot cannot be written .* for 9007199254740992\.0 MiB"):
        check_room("a snapshot", missing, 2**73)


def test_a_full_disk_is_found_before_anything_is_lost(small_disk: Callable[[int], SmallDisk]) -> None:
    disk = small_disk(2 * MIB)
    check_writable(disk.folder / "new")
    store = ImageStore(disk.folder / "pictures")
    ref = store.put(b"one")
    disk.fill()
    with pytest.raises(DiskFailed, match="No space left on device"):
        check_writable(disk.folder / "new")
    with pytest.raises(DiskFailed, match=r"pictures cannot be written to .* \(0.0 of 2.0 MiB are free\)"):
        store.put(b"x" * 100_000)
    assert store.put(b"one") == ref
    disk.empty()
    check_writable(disk.folder / "new")
    assert store.read(store.put(b"x" * 100_000)) == b"x" * 100_000
    assert list((disk.folder / "new").iterdir()) == []
    assert [p.name for p in disk.folder.rglob(".put-*")] == []


def test_rocksdb_says_it_in_these_words(small_disk: Callable[[int], SmallDisk]) -> None:
    disk = small_disk(2 * MIB)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    rows = Rdict(str(disk.folder / "rows"), options)
    disk.fill()
    with pytest.raises(Exception, match="IO error") as refused:
        for number in range(100):
            rows.put(b"%d" % number, os.urandom(100_000))
    assert disk_reason(refused.value) == "No space left on device"
    with pytest.raises(Exception, match="Writer has previous error"):
        rows.close()
