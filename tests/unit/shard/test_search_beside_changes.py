"""Searches run while items are added, replaced and deleted, drained and compacted; what stays is always found."""

import random
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from index_shards import compaction, graph_search
from index_shards.searcher import Query
from index_shards.shard import Shard
from schemas.item_state import ItemState, Stamp
from schemas.vector_record import StageTimes, VectorRecord, make_vector_record
from tests.unit.shard.oracle import DIMENSION, MODEL, change_state, generation, open_shard, patiently, vectors_of

ROUNDS, SEARCHERS, STEADY = 4000, 3, 40


def record_of(image_at: Stamp, vector: np.ndarray, fingerprint: bytes) -> VectorRecord:
    return make_vector_record(image_at, MODEL, (fingerprint,), vector[None], StageTimes())


def upsert(item_id: str, version: int) -> tuple[ItemState, Stamp]:
    state = change_state(item_id, "upsert", version, version)
    assert state.upserted is not None
    return state, state.upserted


def test_what_is_there_all_the_time_is_in_every_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: str
) -> None:
    """Steady items stand alone near the query; their picture is replaced again and again by one just as near."""
    monkeypatch.setattr(graph_search, "SMALL", 0)
    monkeypatch.setattr(compaction, "DEAD_AT_LEAST", 200)
    shard = open_shard(tmp_path, generation(storage=storage), buffer_capacity=32, buffer_drain=8)
    query = np.zeros(DIMENSION, np.float32)
    query[0] = 1
    chance = random.Random(5)
    steady = [f"steady-{n}" for n in range(STEADY)]

    def replace(item_id: str, version: int) -> None:
        vector = np.zeros(DIMENSION, np.float32)
        angle = chance.uniform(0, 0.2)
        vector[0], vector[1 + version % (DIMENSION - 1)] = np.cos(angle), np.sin(angle)
        state, at = upsert(item_id, version)
        shard.apply_state(state)
        record = record_of(at, vector, f"{item_id}/{version}".encode())
        patiently(shard, lambda: shard.apply_vectors(item_id, record))

    for item_id in steady:
        replace(item_id, 1)
    stop, failures = threading.Event(), []
    threads = [
        threading.Thread(target=_watched(work, failures))
        for work in [*[lambda: _look(shard, query, steady, stop)] * SEARCHERS, lambda: _drain(shard, stop)]
    ]
    for thread in threads:
        thread.start()
    try:
        for n in range(2, ROUNDS):
            if failures:
                break
            replace(chance.choice(steady), n)
            _churn(shard, n)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert shard.counts().items >= STEADY
    assert shard.counts().graph_vectors < ROUNDS, "the graph was never compacted"
    shard.close()


def _churn(shard: Shard, n: int) -> None:
    """Put one item that is far from the query, and delete an older one."""
    state, at = upsert(f"churn-{n}", n)
    shard.apply_state(state)
    vector = np.random.default_rng(n).standard_normal(DIMENSION).astype(np.float32)
    vector[0] = -abs(vector[0])
    vector /= np.linalg.norm(vector)
    patiently(shard, lambda: shard.apply_vectors(state.item_id, record_of(at, vector, state.item_id.encode())))
    shard.apply_state(change_state(f"churn-{max(n - 50, 0)}", "delete", n, n))


def _look(shard: Shard, query: np.ndarray, steady: list[str], stop: threading.Event) -> None:
    while not stop.is_set():
        found = shard.search(Query(query, STEADY)).items
        assert {hit.item_id for hit in found} == set(steady)
        assert all(hit.score > 0.9 for hit in found)
        shard.get(steady[0])


def _drain(shard: Shard, stop: threading.Event) -> None:
    while not stop.is_set():
        if not (shard.wants_drain and shard.drain()):
            shard.compact_if_due(stop.is_set)
            stop.wait(0.0005)


def _watched(work: Callable[[], None], failures: list[BaseException]) -> Callable[[], None]:
    def run() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    return run


def test_snapshot_beside_searches_and_draining(tmp_path: Path, storage: str) -> None:
    shard = open_shard(tmp_path, generation(storage=storage), buffer_capacity=64, buffer_drain=8)
    stop, failures = threading.Event(), []
    query = np.eye(DIMENSION, dtype=np.float32)[0]

    def search_on() -> None:
        while not stop.is_set():
            shard.search(Query(query, 5))

    threads = [threading.Thread(target=_watched(w, failures)) for w in (search_on, lambda: _drain(shard, stop))]
    for thread in threads:
        thread.start()
    for n in range(1, 301):
        state, at = upsert(f"i{n}", n)
        shard.apply_state(state)
        patiently(
            shard, lambda state=state, at=at: shard.apply_vectors(state.item_id, vectors_of(at, state.item_id.encode()))
        )
        if n % 50 == 0:
            shard.snapshot({"items.state": {0: n}})
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    shard.close()
    again = open_shard(tmp_path, generation(storage=storage), buffer_capacity=64, buffer_drain=8)
    assert again.counts().items == 300
    again.close()
