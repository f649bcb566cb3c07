"""Live queries are measured against exact answers; what changed in between counts for neither."""

import time
from pathlib import Path

import numpy as np
import pytest

from index_shards import graph_search
from index_shards.live_recall import RECALL_AT, WAITING, LiveRecall, Sampled, measure
from index_shards.searcher import Found, FoundItem, Query
from index_shards.shard import Shard
from tests.unit.shard.oracle import change_state, open_shard, patiently, picture_vector, vectors_of

ITEMS = 60


def put(shard: Shard, number: int, version: int = 1) -> None:
    state = change_state(f"i{number:03d}", "upsert", version, number)
    assert state.upserted is not None
    shard.apply_state(state)
    record = vectors_of(state.upserted, f"{number}/{version}".encode())
    patiently(shard, lambda: shard.apply_vectors(state.item_id, record))


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    one = open_shard(tmp_path, buffer_capacity=100, buffer_drain=90)
    for number in range(ITEMS):
        put(one, number)
    return one


QUERY = Query(picture_vector(b"query"), 15)


def sampled(shard: Shard, answered: list[str]) -> Sampled:
    return Sampled(QUERY, answered, shard._clock_us())


def best(shard: Shard, count: int) -> list[str]:
    return [item.item_id for item in shard.search(QUERY._replace(k=count, exact=True)).items]


def test_what_was_missed_counts(shard: Shard) -> None:
    names = best(shard, 30)
    assert measure(shard, sampled(shard, names[:RECALL_AT])) == 1
    assert measure(shard, sampled(shard, names[3 : RECALL_AT + 3])) == 0.7
    assert measure(shard, sampled(shard, [])) == 0
    shard.close()


def test_what_came_or_went_since_does_not(shard: Shard) -> None:
    names = best(shard, 30)
    before = sampled(shard, names[1 : RECALL_AT + 1])
    shard.apply_state(change_state(names[0], "delete", 5, 500))
    assert measure(shard, before) == 1
    shard.apply_state(change_state(names[1], "delete", 5, 501))
    assert measure(shard, before) == 1, "another took the place of one that was answered"
    for number in range(ITEMS):
        put(shard, number, version=9)
    assert measure(shard, before._replace(answered=[])) is None
    shard.close()


def test_of_an_empty_shard_there_is_no_recall(tmp_path: Path) -> None:
    shard = open_shard(tmp_path)
    assert measure(shard, sampled(shard, [])) is None
    shard.close()


def test_a_share_of_the_queries_is_measured_in_the_background(shard: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_search, "SMALL", 0)
    recall = LiveRecall(shard, 0.25, "test")
    assert recall.recall() == (None, 0)
    found = shard.search(QUERY)
    bad = Found(found.items[5:], [])
    recall.start()
    for number in range(16):
        recall.offer(QUERY, bad if number < 8 else found, shard._clock_us())
    deadline_s = time.monotonic() + 30
    while recall.recall().samples < 4 and time.monotonic() < deadline_s:
        time.sleep(0.01)
    recall.stop(10)
    assert recall.recall() == (0.75, 4)
    assert recall.dropped == 0
    shard.close()


def test_a_full_queue_drops(shard: Shard) -> None:
    recall = LiveRecall(shard, 1, "test")
    found = Found([FoundItem("x", 0.5, b"{}")], [])
    for _ in range(WAITING + 3):
        recall.offer(QUERY, found, 0)
    assert recall.dropped == 3
    recall.offer(Query(np.zeros(1, np.float32), 3), found, 0)
    assert recall.dropped == 3, "fewer than ten were asked for"
    recall.stop(1)
    shard.close()
