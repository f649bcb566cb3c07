"""Searches told in `search.events`: so many per second, never in the way of the answer."""

import time
from collections.abc import Iterator

import numpy as np
import pytest

from embedder.model_queue import Embedded
from query_router.metrics import RouterMetrics
from query_router.search_samples import QUEUED_RECORDS, Allowance, SearchSamples
from schemas.cluster import ClusterView, Installation
from schemas.queries import Hit, SearchAnswer, ShardCounts
from schemas.search_events import ITEMS_TOLD, ShownItem, decode_impression, encode_impression, make_impression
from schemas.settings import KafkaSettings

NOWHERE = KafkaSettings(bootstrap_servers="127.0.0.1:1")
PICTURE = Embedded(np.array([0.6, 0.8], np.float32), b"f" * 16, 1, 2, 3.5)


def answer(hits: int = 2) -> SearchAnswer:
    items = [Hit(f"item-{n}", 1.0 - n / 100) for n in range(hits)]
    return SearchAnswer(query_id="q1", generation="g1", took_ms=1.0, items=items, shards=ShardCounts(1, 1, 0, 0))


def counted(metrics: RouterMetrics) -> dict[str, float]:
    samples = [sample for family in metrics.samples.collect() for sample in family.samples]
    return {s.labels["outcome"]: s.value for s in samples if s.name.endswith("_total")}


@pytest.fixture
def started() -> Iterator[tuple[SearchSamples, RouterMetrics]]:
    """Samples of everything, whose broker is not there."""
    view, metrics = ClusterView(), RouterMetrics()
    view.apply(Installation(partitions=3, log_id="log"))
    samples = SearchSamples(NOWHERE, 1e9, lambda: view, metrics)
    samples.start()
    while samples._producer is None:
        time.sleep(0.001)
    yield samples, metrics
    samples.stop()
    samples._thread.join(10)


def test_so_many_per_second_pass() -> None:
    now_s = 100.0
    allowance = Allowance(5.0, lambda: now_s)
    assert [allowance.take() for _ in range(7)] == [True] * 5 + [False] * 2
    now_s += 0.4
    assert [allowance.take() for _ in range(3)] == [True, True, False]
    now_s += 3600
    assert sum(allowance.take() for _ in range(20)) == 5


def test_none_pass_where_none_are_asked_for() -> None:
    allowance = Allowance(0.0)
    assert not allowance.take()


def test_a_broker_that_is_away_costs_a_full_queue_and_nothing_else(
    started: tuple[SearchSamples, RouterMetrics],
) -> None:
    samples, metrics = started
    for _ in range(QUEUED_RECORDS + 50):
        samples.note(answer(), PICTURE)
    assert counted(metrics).get("dropped", 0) >= 50
    assert "told" not in counted(metrics)


def test_nothing_is_told_before_the_installation_is_known() -> None:
    metrics = RouterMetrics()
    samples = SearchSamples(KafkaSettings(), 10.0, ClusterView, metrics)
    samples.start()
    samples.note(answer(), PICTURE)
    samples.stop()
    assert counted(metrics) == {"passed_over": 1.0}


def test_an_impression_is_read_as_written() -> None:
    impression = make_impression("q1", "g1", 7, answer(30).items, PICTURE.vector, PICTURE.norm)
    back = decode_impression(encode_impression(impression))
    assert back == impression
    assert back.items[0] == ShownItem("item-0", 1.0)
    assert len(back.items) == ITEMS_TOLD
    np.testing.assert_allclose(back.unit_vector(), PICTURE.vector, atol=1e-3)


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b'{"event": "click", "query_id": "q1"}'])
def test_other_events_are_passed_over(value: bytes) -> None:
    assert decode_impression(value) is None
