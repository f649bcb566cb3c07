"""A graph is rebuilt without its dead while it is searched, drained into and changed; a worse one is refused."""

import threading
from pathlib import Path

import numpy as np
import pytest
import structlog

from index_shards import compaction
from index_shards.candidates import Float32Array, Met
from index_shards.compaction import Compaction, Stage
from index_shards.node.drainer import Drainer
from index_shards.searcher import Query
from index_shards.shard import Shard
from schemas.vector_record import StageTimes, make_vector_record
from tests.unit.shard.oracle import MODEL, change_state, generation, open_shard, patiently

DIMENSION, COUNT, K = 64, 4000, 10


def hard_rows(count: int, seed: int) -> np.ndarray:
    """Unit vectors of clusters that overlap, in fp16."""
    chance = np.random.default_rng(seed)
    scale = np.arange(1, DIMENSION + 1) ** -0.5
    centres = np.random.default_rng(1).standard_normal((30, DIMENSION)) * scale
    rows = centres[chance.integers(0, 30, count)] + chance.standard_normal((count, DIMENSION)) * 2 * scale
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float16).astype(np.float32)


class Filled:
    """A shard with numbered items, and what of them is there."""

    def __init__(self, folder: Path, rows: np.ndarray, storage: str = "fp16", **settings: object) -> None:
        self.rows = rows
        self.there = np.zeros(len(rows), bool)
        self.shard: Shard = open_shard(
            folder, generation(DIMENSION, storage=storage), **{"buffer_capacity": 600, "buffer_drain": 100} | settings
        )
        self.version = 0

    def put(self, number: int) -> None:
        self.version += 1
        state = change_state(f"i{number}", "upsert", self.version, self.version)
        assert state.upserted is not None
        self.shard.apply_state(state)
        name = number.to_bytes(16, "little")
        record = make_vector_record(state.upserted, MODEL, (name,), self.rows[number : number + 1], StageTimes())
        patiently(self.shard, lambda: self.shard.apply_vectors(state.item_id, record))
        self.there[number] = True

    def delete(self, number: int) -> None:
        self.version += 1
        self.shard.apply_state(change_state(f"i{number}", "delete", self.version, self.version))
        self.there[number] = False

    def settle(self) -> None:
        while self.shard.drain():
            pass

    def nearest(self, query: np.ndarray, count: int) -> list[int]:
        return np.argsort(-np.where(self.there, self.rows @ query, -2))[:count].tolist()

    def recall(self, queries: np.ndarray) -> float:
        hits = 0
        for query in queries:
            found = {int(hit.item_id[1:]) for hit in self.shard.search(Query(query, K)).items}
            assert all(self.there[number] for number in found)
            hits += len(found & set(self.nearest(query, K)))
        return hits / K / len(queries)


@pytest.fixture
def filled(tmp_path: Path, storage: str) -> Filled:
    one = Filled(tmp_path, hard_rows(COUNT + 600, 2), storage)
    for number in range(COUNT):
        one.put(number)
    one.settle()
    return one


def test_changes_and_drains_go_on_meanwhile(filled: Filled) -> None:
    shard = filled.shard
    for number in range(0, COUNT, 3):
        filled.delete(number)
    building = shard.begin_compaction()
    assert building is not None
    queries, chance, extra = hard_rows(30, 3), np.random.default_rng(4), COUNT
    while not building.over:
        building.step(16)
        assert shard.begin_compaction() is None
        for _ in range(2):
            if extra < COUNT + 500:
                filled.put(extra)
                extra += 1
            filled.delete(int(chance.integers(0, COUNT)))
            shard.drain()
    assert building.stage is Stage.SWAPPED
    assert extra == COUNT + 500
    tiers = shard._tiers
    assert tiers is not None
    assert tiers.building is None
    assert filled.recall(queries) >= 0.95
    assert shard.counts().items == filled.there.sum()
    assert len(tiers.graph) < COUNT
    for number in range(COUNT, extra, 7):
        assert shard.search(Query(filled.rows[number], 1)).items[0].item_id == f"i{number}"
    shard.snapshot({})
    shard.close()


def test_a_deleted_neighbourhood_is_searched_more_widely_and_then_rebuilt(filled: Filled) -> None:
    queries = hard_rows(20, 5)
    for query in queries[:4]:
        for number in filled.nearest(query, 100):
            filled.delete(number)
    assert filled.shard.begin_compaction() is None, "a tenth is not much, and nobody met it yet"
    near = queries[:4].repeat(5, axis=0)
    assert filled.recall(near) >= 0.92
    assert filled.shard.compact_if_due()
    assert filled.shard.counts().dead_vectors == 0
    assert filled.recall(near) >= 0.95
    assert not filled.shard.compact_if_due()
    filled.shard.close()


def test_scattered_deletes_are_left_alone_until_they_are_many(filled: Filled) -> None:
    queries = hard_rows(40, 6)
    for number in range(0, COUNT, 8):
        filled.delete(number)
    assert filled.recall(queries) >= 0.95
    assert filled.shard.begin_compaction() is None
    for number in range(1, COUNT, 6):
        filled.delete(number)
    assert filled.shard.begin_compaction() is not None
    filled.shard.close()


def test_a_worse_graph_is_refused(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(0, COUNT, 3):
        filled.delete(number)
    tiers = filled.shard._tiers
    assert tiers is not None
    old = tiers.graph
    building = Compaction(tiers)
    while building.stage is Stage.COPYING:
        building.step(256)
    look = building._new.look

    def every_other(query: Float32Array, count: int, ef: int, _: object = None) -> Met:
        met = look(query, 2 * count, 2 * ef)
        return Met(met.positions[::2], met.scores[::2])

    monkeypatch.setattr(building._new, "look", every_other)
    with structlog.testing.capture_logs() as lines:
        while not building.over:
            building.step(256)
    assert building.stage is Stage.REFUSED
    assert [line["event"] for line in lines] == ["compaction_refused"]
    assert tiers.graph is old
    assert filled.shard.begin_compaction() is None, "it would be refused again"
    assert filled.recall(hard_rows(20, 7)) >= 0.95
    filled.shard.close()


def test_a_cancelled_one_leaves_nothing(filled: Filled) -> None:
    for number in range(0, COUNT, 3):
        filled.delete(number)
    building = filled.shard.begin_compaction()
    assert building is not None
    building.step(100)
    building.cancel()
    assert building.over
    assert not filled.shard.compact_if_due(lambda: True)
    assert filled.shard.counts().graph_vectors == COUNT
    assert filled.shard.compact_if_due()
    assert filled.shard.counts().dead_vectors == 0
    filled.shard.close()


def test_shards_of_one_node_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "DEAD_AT_LEAST", 100)
    shards = [Filled(tmp_path / str(n), hard_rows(1500, n)) for n in range(2)]
    for one in shards:
        for number in range(1500):
            one.put(number)
        one.settle()
        for number in range(0, 1500, 2):
            one.delete(number)
    running, most, permit = threading.Semaphore(1), [], threading.Lock()
    real = Compaction.step

    def alone(self: Compaction, count: int) -> None:
        most.append(running.acquire(blocking=False))
        real(self, count)
        running.release()

    monkeypatch.setattr(Compaction, "step", alone)
    drainers = [Drainer(one.shard, str(n), permit, 1.0) for n, one in enumerate(shards)]
    for drainer in drainers:
        drainer.start()
    while not all(drainer.compactions for drainer in drainers):
        assert all(one.shard.error is None for one in shards)
        threading.Event().wait(0.01)
    for drainer in drainers:
        drainer.stop(10)
    assert all(most)
    assert not permit.locked()
    for one in shards:
        assert one.shard.counts().dead_vectors == 0
        one.shard.close()
