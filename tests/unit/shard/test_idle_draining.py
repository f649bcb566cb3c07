"""What is left in the buffer follows into the graph once nothing has changed for a while, and not before."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from index_shards.node import drainer as drainer_module
from index_shards.node.drainer import DUTY, IDLE_DUTY, Drainer
from index_shards.shard import SLICE, Shard
from tests.unit.shard.oracle import change_state, open_shard, vectors_of

WAIT_S = 30


def put(shard: Shard, number: int) -> None:
    state = change_state(f"i{number}", "upsert", 1, number)
    assert state.upserted is not None
    shard.apply_state(state)
    shard.apply_vectors(state.item_id, vectors_of(state.upserted, f"{number}".encode()))


def eventually(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


def test_an_idle_shard_drains_to_the_end(tmp_path: Path) -> None:
    shard = open_shard(tmp_path, buffer_capacity=200, buffer_drain=150)
    for number in range(100):
        put(shard, number)
    drainer = Drainer(shard, "test", idle_after_s=0.2)
    drainer.start()
    eventually(lambda: shard.counts().buffer_vectors == 0)
    eventually(lambda: not drainer.draining)
    assert shard.counts().graph_vectors == 100
    put(shard, 100)
    eventually(lambda: shard.counts().graph_vectors == 101)
    drainer.stop(10)
    assert shard.error is None
    shard.close()


def test_a_shard_that_changes_or_does_not_serve_keeps_its_buffer(tmp_path: Path) -> None:
    shard = open_shard(tmp_path, buffer_capacity=200, buffer_drain=150)
    put(shard, 1)
    drainer = Drainer(shard, "test", idle_after_s=3600)
    assert drainer._turn() >= 0
    assert (drainer.draining, shard.counts().buffer_vectors) == (False, 1)
    shard.close()


def test_slices_are_rested_from_longer_when_idle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that a slice moves on by a second."""
    now_s = 1000.0
    monkeypatch.setattr(drainer_module.time, "monotonic", lambda: now_s)
    shard = open_shard(tmp_path, buffer_capacity=200, buffer_drain=30)
    drain = shard.drain

    def slowly() -> int:
        nonlocal now_s
        now_s += 1
        return drain()

    monkeypatch.setattr(shard, "drain", slowly)
    for number in range(30 + 2 * SLICE):
        put(shard, number)
    drainer = Drainer(shard, "test", idle_after_s=60)
    drainer._compact_at_s = float("inf")
    drainer._turn()
    assert shard.counts().graph_vectors == SLICE
    assert drainer._drain_at_s == now_s + 1 / DUTY - 1
    now_s = drainer._drain_at_s
    drainer._turn()
    assert shard.counts().graph_vectors == 2 * SLICE
    now_s += 59
    drainer._turn()
    assert shard.counts().graph_vectors == 2 * SLICE, "few are left, and changes may come"
    now_s += 60
    drainer._turn()
    assert shard.counts().graph_vectors == 3 * SLICE
    assert drainer._drain_at_s == now_s + 1 / IDLE_DUTY - 1
    shard.close()
