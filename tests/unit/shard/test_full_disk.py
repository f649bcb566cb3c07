"""Where the disk takes or gives no vectors it is said, nothing is lost or half there, and it goes on afterwards."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from index_shards import compaction, draining
from index_shards.searcher import Query
from index_shards.shard import Shard
from index_shards.shard_state import ShardState
from schemas.errors import Busy, DiskFailed
from tests.unit.shard.oracle import (
    OFFSETS,
    Oracle,
    change_state,
    check_same,
    generation,
    open_shard,
    picture_vector,
    vectors_of,
)

NAMES = [f"i{n}" for n in range(60)]
QUERIES = [picture_vector(name.encode()) for name in NAMES[::20]]


class Filling:
    """A small shard and the oracle of what was put into it."""

    def __init__(self, folder: Path, **settings: int) -> None:
        self.folder = folder
        self.shard: Shard = open_shard(folder, generation(storage="small"), **settings)
        self.oracle = Oracle()

    def put(self, names: list[str], version: int = 1) -> None:
        for name in names:
            state = change_state(name, "upsert", version, version * 1000 + NAMES.index(name))
            assert state.upserted is not None
            self.oracle.state(state)
            self.shard.apply_state(state)
            record = vectors_of(state.upserted, f"{name}/{version}".encode() if version > 1 else name.encode())
            self.shard.apply_vectors(name, record)
            self.oracle.vectors(name, record)

    def check(self) -> None:
        check_same(self.shard, self.oracle, NAMES, QUERIES)


def refusing(number: int) -> Callable[..., int]:
    def refused(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return refused


@pytest.fixture(autouse=True)
def _retried_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many looks at the clock of these tests."""
    monkeypatch.setattr(draining, "WAIT_US", 50)


@pytest.mark.parametrize("at_first", [True, False])
def test_draining_waits_while_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_first: bool) -> None:
    filling = Filling(tmp_path, buffer_capacity=32, buffer_drain=4)
    shard = filling.shard
    filling.put(NAMES[:25])
    while not at_first and shard.drain():
        pass
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", refusing(errno.ENOSPC))
        filling.put(NAMES[25:30])
        before = shard.counts()
        with structlog.testing.capture_logs() as lines:
            assert shard.drain() == 0
        assert [line["event"] for line in lines] == ["draining_waits"]
        assert not shard.wants_drain
        assert shard.buffered == 0
        assert shard.counts() == before
        assert shard.error is not None
        assert "vectors cannot be written to" in shard.error
        assert "No space left" in shard.error
        assert shard.state is ShardState.SERVING
        filling.check()
        with pytest.raises(Busy):
            filling.put(NAMES[30:])
        shard.drain()
    full = shard.counts()
    while not shard.drain():
        assert shard.counts() == full
    assert shard.error is None
    while shard.drain(flush=True):
        pass
    filling.put(NAMES[30:50])
    filling.check()
    assert shard.counts().graph_vectors >= 30
    shard.snapshot(OFFSETS)
    shard.close()
    filling.shard = open_shard(tmp_path, generation(storage="small"))
    filling.check()
    filling.shard.close()


@pytest.mark.parametrize("when", ["making its file", "copying"])
def test_a_rebuilding_that_finds_no_room_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    monkeypatch.setattr(compaction, "DEAD_AT_LEAST", 10)
    filling = Filling(tmp_path, buffer_capacity=64)
    filling.put(NAMES[:40])
    while filling.shard.drain(flush=True):
        pass
    filling.put(NAMES[:20], version=2)
    refused = {"making its file": "open", "copying": "pwrite"}[when]
    with monkeypatch.context() as patch, structlog.testing.capture_logs() as lines:
        patch.setattr(os, refused, refusing(errno.ENOSPC))
        building = filling.shard.begin_compaction()
        assert building is not None
        for _ in range(10):
            building.step(16)
    assert building.stage is compaction.Stage.REFUSED
    assert [line["event"] for line in lines] == ["compaction_refused"]
    assert "No space left" in lines[0]["reason"]
    assert filling.shard.error is None
    assert filling.shard.begin_compaction() is None, "it is not tried again at once"
    filling.check()
    filling.put(NAMES[20:40], version=2)
    assert filling.shard.compact_if_due()
    filling.check()
    filling.shard.close()


def test_a_disk_that_cannot_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filling = Filling(tmp_path, buffer_capacity=64)
    filling.put(NAMES[:40])
    while filling.shard.drain(flush=True):
        pass
    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", refusing(errno.EIO))
        with pytest.raises(DiskFailed, match=r"vectors in .* cannot be read: Input/output error") as failed:
            filling.shard.search(Query(QUERIES[0], 3))
        assert (failed.value.http_status, failed.value.code) == (503, "disk_failed")
        with pytest.raises(DiskFailed):
            filling.shard.get(NAMES[0])
    filling.check()
    filling.shard.close()
