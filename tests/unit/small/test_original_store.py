"""Originals come back as they were written, from anywhere, while more are written; a failing disk is said."""

import errno
import gc
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index_shards.original_store import OriginalStore
from schemas.errors import DiskFailed

DIMENSION = 24


def append(store: OriginalStore, rows: np.ndarray) -> None:
    store.stage(rows)
    store.keep(len(rows))


def rows_of(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, DIMENSION))
    return rows.astype(np.float16).astype(np.float32)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.data())
def test_what_was_appended_is_taken(tmp_path_factory: pytest.TempPathFactory, sizes: list[int], data: st.DataObject):
    rows = rows_of(sum(sizes))
    store = OriginalStore(tmp_path_factory.getbasetemp() / "law", DIMENSION)
    at = 0
    for size in sizes:
        append(store, rows[at : at + size])
        at += size
    wanted = np.array(data.draw(st.lists(st.integers(0, at - 1), max_size=60)), np.int64)
    assert np.array_equal(store.take(wanted), rows[wanted])
    assert len(store) == at
    assert store.disk_bytes == 2 * DIMENSION * at


def test_past_the_end(tmp_path: Path) -> None:
    store = OriginalStore(tmp_path, DIMENSION)
    append(store, rows_of(5))
    for position in (5, -1):
        with pytest.raises(IndexError):
            store.take(np.array([position]))


def test_a_copy_is_restored_without_the_kernel_s_help(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> int:
        raise OSError(errno.EXDEV, "not across file systems")

    rows = rows_of(5000)
    store = OriginalStore(tmp_path, DIMENSION)
    append(store, rows)
    store.copy(tmp_path / "with")
    monkeypatch.setattr(os, "copy_file_range", refused)
    store.copy(tmp_path / "without")
    assert (tmp_path / "with").read_bytes() == (tmp_path / "without").read_bytes()
    restored = OriginalStore.restore(tmp_path, DIMENSION, tmp_path / "without")
    append(restored, rows[:3])
    assert np.array_equal(restored.take(np.arange(5003)), np.vstack([rows, rows[:3]]))
    assert len(store) == 5000


def test_a_full_disk_adds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = OriginalStore(tmp_path, DIMENSION)
    rows = rows_of(20)
    append(store, rows[:10])
    real = os.pwrite

    def half(file: int, data: memoryview, at: int) -> int:
        if len(data) < 300:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(file, data[:200], at)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", half)
        with pytest.raises(DiskFailed, match=f"10 vectors cannot be written to {tmp_path}.*No space left"):
            append(store, rows[10:])
    assert len(store) == 10
    append(store, rows[10:])
    assert np.array_equal(store.take(np.arange(20)), rows)


def test_read_while_written(tmp_path: Path) -> None:
    store = OriginalStore(tmp_path, DIMENSION)
    rows = rows_of(4000)
    append(store, rows[:100])
    wrong: list[int] = []
    done = threading.Event()

    def read() -> None:
        chance = np.random.default_rng(7)
        while not done.is_set():
            wanted = chance.integers(0, len(store), 30)
            if not np.array_equal(store.take(wanted), rows[wanted]):
                wrong.append(len(store))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for at in range(100, 4000, 10):
        append(store, rows[at : at + 10])
    done.set()
    for reader in readers:
        reader.join()
    assert not wrong


def test_the_file_goes_with_the_store(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    store = OriginalStore(tmp_path, DIMENSION)
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 1
    del store
    gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
