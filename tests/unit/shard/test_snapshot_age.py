"""A snapshot from before deletes that the log has forgotten is never restored, and renewed before it gets that old."""

import time
from pathlib import Path

import pytest
import structlog

from index_shards.node.snapshot_schedule import SnapshotSchedule
from index_shards.shard import Shard
from tests.unit.shard.oracle import (
    OFFSETS,
    Clock,
    change_state,
    generation,
    identity,
    index_settings,
    open_shard,
    vectors_of,
)

WRITTEN_S, AGAIN_S = 100, 250


def opened(folder: Path, at_s: float, delete_retention_s: float) -> tuple[Shard, object]:
    """The shard at this time, and the offsets it would replay from."""
    clock = Clock()
    clock.now_us = int(at_s * 1e6)
    shard = Shard(
        generation(), identity(generation()), folder, index_settings(delete_retention_s=delete_retention_s), clock
    )
    return shard, shard.open()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A shard's folder with a snapshot of one item, and a newer one of two."""
    open_shard(tmp_path).close()
    for number, at_s in enumerate((WRITTEN_S, AGAIN_S), start=1):
        shard, _ = opened(tmp_path, at_s, 1e6)
        state = change_state(f"i{number}", "upsert", number, number)
        assert state.upserted is not None
        shard.apply_state(state)
        shard.apply_vectors(state.item_id, vectors_of(state.upserted, state.item_id.encode()))
        shard.snapshot(OFFSETS)
        shard.close()
    return tmp_path


@pytest.mark.parametrize(
    ("retention_s", "items", "void"), [(1000, 2, 0), (300, 2, 0), (240, 0, 2)], ids=["young", "one old", "both old"]
)
def test_an_older_one_is_void(folder: Path, retention_s: float, items: int, void: int) -> None:
    with structlog.testing.capture_logs() as lines:
        shard, offsets = opened(folder, 500, retention_s)
    assert shard.counts().items == items
    assert offsets == (OFFSETS if items else None)
    assert [line["event"] for line in lines] == ["snapshot_too_old"] * void
    assert all("older than deletes are kept (index.delete_retention_s)" in line["reason"] for line in lines)
    shard.close()


def test_it_is_skipped_when_a_younger_one_is_damaged(folder: Path) -> None:
    newest = max((folder / "snapshots").iterdir())
    (newest / "positions.npy").write_bytes(b"")
    with structlog.testing.capture_logs() as lines:
        shard, offsets = opened(folder, 500, 300)
    assert offsets is None
    assert [line["event"] for line in lines] == ["snapshot_skipped", "snapshot_too_old"]
    assert "100 s older" in lines[1]["reason"]
    shard.close()


@pytest.mark.parametrize(("age_s", "due"), [(10, False), (40, True)])
def test_one_of_a_shard_that_nothing_changes_is_renewed(age_s: float, due: bool) -> None:
    schedule = SnapshotSchedule(index_settings(delete_retention_s=100), by_bytes=True)
    assert not schedule.due(0), "there is nothing to be kept"
    assert schedule.due(time.time_ns() // 1000 - int(age_s * 1e6)) is due
