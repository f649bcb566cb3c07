"""What a graph keeps on disk goes when it does: after a swap, a cancel, a refusal, a close, and a crash."""

import errno
import os
from pathlib import Path

import pytest

from index_shards import compaction
from index_shards.compaction import Compaction, Stage
from index_shards.shard import Shard
from tests.unit.shard.oracle import change_state, generation, open_shard, vectors_of

COUNT, ROW_BYTES = 200, 32


def opened(folder: Path) -> Shard:
    return open_shard(folder, generation(storage="small"), buffer_capacity=300)


def kept_bytes(folder: Path) -> list[int]:
    """The sizes of the nameless files of this folder that this process holds open."""
    sizes = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            target = str(link.readlink())
        except FileNotFoundError:
            continue
        if target.startswith(str(folder / "originals")):
            sizes.append(link.stat().st_size)
    return sorted(sizes)


@pytest.fixture
def shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shard:
    monkeypatch.setattr(compaction, "DEAD_AT_LEAST", 10)
    one = opened(tmp_path)
    for n in range(COUNT):
        state = change_state(f"i{n}", "upsert", 1, n)
        assert state.upserted is not None
        one.apply_state(state)
        one.apply_vectors(f"i{n}", vectors_of(state.upserted, f"i{n}".encode()))
    while one.drain(flush=True):
        pass
    for n in range(COUNT // 2):
        one.apply_state(change_state(f"i{n}", "delete", 2, 1000 + n))
    return one


def begun(shard: Shard) -> Compaction:
    building = shard.begin_compaction()
    assert building is not None
    building.step(150)
    return building


def test_after_a_swap(shard: Shard, tmp_path: Path) -> None:
    assert kept_bytes(tmp_path) == [COUNT * ROW_BYTES]
    building = begun(shard)
    assert kept_bytes(tmp_path) == [COUNT // 4 * ROW_BYTES, COUNT * ROW_BYTES]
    while not building.over:
        building.step(150)
    assert building.stage is Stage.SWAPPED
    assert kept_bytes(tmp_path) == [COUNT // 2 * ROW_BYTES], "although the compaction is still there"
    shard.close()
    del building
    assert kept_bytes(tmp_path) == []


def test_after_a_cancel(shard: Shard, tmp_path: Path) -> None:
    building = begun(shard)
    building.cancel()
    assert kept_bytes(tmp_path) == [COUNT * ROW_BYTES]
    shard.close()


def test_after_a_refusal(shard: Shard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    building = begun(shard)
    monkeypatch.setattr(os, "pwrite", full)
    building.step(150)
    assert building.stage is Stage.REFUSED
    assert kept_bytes(tmp_path) == [COUNT * ROW_BYTES]
    shard.close()


def test_after_a_restart(shard: Shard, tmp_path: Path) -> None:
    shard.snapshot({})
    shard.close()
    assert kept_bytes(tmp_path) == []
    # A crash between making the file and taking its name away.
    (tmp_path / "originals" / "originals-left").write_bytes(b"left")
    again = opened(tmp_path)
    assert kept_bytes(tmp_path) == [COUNT * ROW_BYTES]
    assert not list((tmp_path / "originals").iterdir())
    again.close()
    assert kept_bytes(tmp_path) == []
