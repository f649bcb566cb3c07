"""A shard's states follow the diagram, and those who look on are told what it does and how much is done."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from index_shards import compaction, restoring
from index_shards.node.metrics import STATES, ShardGauges
from index_shards.searcher import Query
from index_shards.shard import Shard
from index_shards.shard_state import ShardState, may_follow
from ops.shard_status import ShardRow
from schemas.errors import NotReady
from schemas.node_status import Activity, Doing, ShardStatus
from tests.unit.shard.oracle import (
    DIMENSION,
    OFFSETS,
    Clock,
    change_state,
    generation,
    identity,
    index_settings,
    open_shard,
    patiently,
    vectors_of,
)

QUERY = Query(np.eye(DIMENSION, dtype=np.float32)[0], 3)


def put(shard: Shard, number: int, version: int = 1) -> None:
    state = change_state(f"i{number}", "upsert", version, number)
    assert state.upserted is not None
    shard.apply_state(state)
    record = vectors_of(state.upserted, f"{number}/{version}".encode())
    patiently(shard, lambda: shard.apply_vectors(state.item_id, record))


def test_only_what_serves_answers() -> None:
    assert [state for state in ShardState if state.answers] == [ShardState.SERVING, ShardState.COMPACTING]


def test_every_state_can_be_reached_and_ends() -> None:
    reached = {ShardState.EMPTY}
    for _ in ShardState:
        reached |= {after for before in reached for after in ShardState if may_follow(before, after)}
    assert reached == set(ShardState)
    assert all(may_follow(s, ShardState.RETIRING) for s in ShardState if s is not ShardState.RETIRING)
    assert not any(may_follow(ShardState.RETIRING, state) for state in ShardState)


def test_it_compacts_while_it_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "DEAD_AT_LEAST", 20)
    shard = open_shard(tmp_path)
    for version in (1, 2):
        for number in range(60):
            put(shard, number, version)
        while shard.drain():
            pass
    assert shard.state is ShardState.SERVING
    building = shard.begin_compaction()
    assert building is not None
    shares = []
    while not building.over:
        assert shard.state is ShardState.COMPACTING
        assert len(shard.search(QUERY).items) == 3
        shares.append(building.progress)
        building.step(16)
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    assert shard.state is ShardState.SERVING
    again = Shard(generation(), identity(generation()), tmp_path / "other", index_settings(), Clock())
    again.open()
    assert again.state is ShardState.REPLAYING
    with pytest.raises(NotReady, match="replaying"):
        again.search(QUERY)
    again.close()
    shard.close()


def test_restoring_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard = open_shard(tmp_path)
    for number in range(40):
        put(shard, number)
    shard.snapshot(OFFSETS)
    shard.close()
    monkeypatch.setattr(restoring, "BATCH", 8)
    seen: list[tuple[ShardState, float]] = []
    again = Shard(generation(), identity(generation()), tmp_path, index_settings(), Clock())
    note = again._note_restored

    def noted(share: float) -> None:
        note(share)
        assert again.restored_share is not None
        seen.append((again.state, again.restored_share))

    monkeypatch.setattr(again, "_note_restored", noted)
    assert again.open() == OFFSETS
    assert {state for state, _ in seen} == {ShardState.RESTORING}
    assert [share for _, share in seen] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])
    assert (again.state, again.restored_share) == (ShardState.REPLAYING, None)
    again.close()


def status(state: str, *doing: Activity) -> ShardStatus:
    counts = dict.fromkeys(("items", "graph_vectors", "buffer_vectors", "dead_vectors", "size_bytes"), 0)
    return ShardStatus(generation="g1", shard=0, state=state, applied={}, lag={}, doing=list(doing), **counts)


def test_operators_read_it_in_words_and_in_metrics() -> None:
    busy = status("compacting", Activity("draining"), Activity("compacting", 0.431))
    assert busy.words == "draining, compacting 43 %"
    row = ShardRow(generation="g1", shard=0, node="n1", state=busy.state, doing=busy.words)
    assert {"compacting", "draining, compacting 43 %"} <= set(row.cells())
    metrics = {metric.name: metric for metric in ShardGauges(lambda: [busy]).collect()}
    states = {s.labels["state"]: s.value for s in metrics["lookalive_node_state"].samples}
    assert states == {state: float(state == "compacting") for state in STATES}
    doing = {s.labels["activity"]: s.value for s in metrics["lookalive_node_doing"].samples}
    assert doing == {name: float(name in ("draining", "compacting")) for name in get_args(Doing)}
