"""Percentiles from histograms, and what is added up over processes that come and go."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from ops.watch_freshness import Asked, judge, stage_rows
from ops.watch_histograms import Buckets, Series, add, count_of, quantile, read_histogram, since
from schemas.freshness import FRESHNESS_BUCKETS_S

Observed = list[tuple[str, str, float]]


def exposed(observed: Observed) -> str:
    registry = CollectorRegistry()
    histogram = Histogram("fresh", "x", ("shard", "stage", "kind"), buckets=FRESHNESS_BUCKETS_S, registry=registry)
    for number, (stage, kind, seconds) in enumerate(observed):
        histogram.labels(str(number % 3), stage, kind).observe(seconds)
    return generate_latest(registry).decode()


def read(observed: Observed) -> dict[tuple[str, ...], dict[float, float]]:
    return read_histogram(exposed(observed), "fresh", ("stage", "kind"))


def test_shards_are_added_up_and_kinds_kept_apart() -> None:
    found = read([("total", "new", 0.1), ("total", "new", 0.2), ("total", "deleted", 3.0), ("merged", "new", 0.05)])
    assert {series: count_of(buckets) for series, buckets in found.items()} == {
        ("total", "new"): 2,
        ("total", "deleted"): 1,
        ("merged", "new"): 1,
    }


@given(st.lists(st.floats(0, 2000), min_size=1, max_size=60), st.floats(0, 1))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(seconds: list[float], share: float) -> None:
    (buckets,) = read([("total", "new", s) for s in seconds]).values()
    value = quantile(buckets, share)
    true = float(np.quantile(seconds, share, method="inverted_cdf"))
    bounds = [0.0, *FRESHNESS_BUCKETS_S]
    place = int(np.searchsorted(FRESHNESS_BUCKETS_S, true))
    low, high = bounds[min(place, len(bounds) - 1)], (*FRESHNESS_BUCKETS_S, FRESHNESS_BUCKETS_S[-1])[place]
    assert value is not None
    assert low - 1e-9 <= value <= high + 1e-9


def test_quantiles_of_evenly_filled_buckets_are_exact() -> None:
    buckets = {1.0: 10.0, 2.0: 20.0, math.inf: 20.0}
    assert quantile(buckets, 0.5) == 1.0
    assert quantile(buckets, 0.75) == 1.5
    assert quantile(buckets, 0.05) == pytest.approx(0.1)
    assert quantile({1.0: 0.0, math.inf: 4.0}, 0.5) == 1.0
    assert quantile({1.0: 0.0, math.inf: 0.0}, 0.5) is None


def test_a_process_that_started_again_begins_at_nothing() -> None:
    before: dict[Series, Buckets] = {("a",): {1.0: 5.0, math.inf: 9.0}}
    now: dict[Series, Buckets] = {("a",): {1.0: 6.0, math.inf: 12.0}}
    assert since(now, before) == {("a",): {1.0: 1.0, math.inf: 3.0}}
    assert since({("a",): {1.0: 1.0, math.inf: 2.0}}, before) == {("a",): {1.0: 1.0, math.inf: 2.0}}
    assert add([now, now]) == {("a",): {1.0: 12.0, math.inf: 24.0}}


def test_the_promise_is_judged_by_the_total_of_all_kinds() -> None:
    found = read([("total", "new", 0.1)] * 98 + [("total", "picture", 4.0)] * 2 + [("merged", "new", 60.0)])
    assert judge(found, Asked(percentile=50, threshold_ms=200)).holds is True
    assert judge(found, Asked(percentile=99, threshold_ms=200)).holds is False
    assert judge({}, Asked(percentile=99, threshold_ms=200)).holds is None
    rows = {(r.stage, r.kind): r.count for r in stage_rows(found)}
    assert rows[("total", "all")] == 100
    assert next(r.stage for r in stage_rows(found)) == "merged"
