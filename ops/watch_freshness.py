"""How fresh the index is: what the nodes counted of every change, and where their shards stand."""

import math
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.error import URLError
from urllib.request import urlopen

import msgspec

from ops.node_status import AskedNode, ask_nodes
from ops.watch_histograms import Buckets, Series, add, count_of, quantile, read_histogram, since
from schemas.cluster import ClusterView
from schemas.cluster_log import read_cluster
from schemas.errors import NotReady
from schemas.freshness import FRESHNESS_METRIC, STAGES
from schemas.settings import KafkaSettings

ANSWER_TIMEOUT_S = 3.0
ALL_KINDS = "all"
Reading = dict[str, dict[Series, Buckets]]


class StageRow(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of one kind of change (`all`: of every kind), in milliseconds since the stage before."""

    stage: str
    kind: str
    count: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class ShardRow(msgspec.Struct, frozen=True, kw_only=True):
    """A replica of a shard: records it has not applied (None: unknown), and the age of the newest change it applied."""

    generation: str
    shard: int
    node: str
    lag: int | None
    newest_change_age_s: float | None


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for of the time from event to searchable; `holds` is None of no changes."""

    percentile: float
    threshold_ms: float
    value_ms: float | None
    holds: bool | None


class Freshness(msgspec.Struct, frozen=True, kw_only=True):
    """The changes that became searchable in the last `interval_s` seconds; None: since the nodes started."""

    time: float
    interval_s: float | None
    stages: list[StageRow]
    shards: list[ShardRow]
    silent_nodes: list[str]
    promise: Promise | None = None


class Asked(msgspec.Struct, frozen=True):
    """What is promised: a percentile, 0 to 100, and milliseconds."""

    percentile: float
    threshold_ms: float


def watch(kafka: KafkaSettings, interval_s: float | None, asked: Asked | None) -> Iterator[Freshness]:
    """What became searchable in each interval, for ever; with no interval, once, since the nodes started.

    Raises:
        NotReady: Kafka does not answer, no nodes are announced, or none of them answers at the start.
    """
    view = read_cluster(kafka)
    before = _read(view)
    if not before:
        raise NotReady("no shard node answers: is the system running?")
    if interval_s is None:
        yield _freshness(view, before, {}, None, asked)
        return
    while True:
        time.sleep(interval_s)
        now = _read(view)
        yield _freshness(view, now, before, interval_s, asked)
        before |= now


class FreshnessMeter:
    """What becomes searchable from now on."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._view = read_cluster(kafka)
        self._before = _read(self._view)

    def stages(self) -> list[StageRow]:
        """The rows of what became searchable since."""
        now = _read(self._view)
        return stage_rows(add(since(histogram, self._before.get(node, {})) for node, histogram in now.items()))


def stage_rows(histograms: Mapping[Series, Buckets]) -> list[StageRow]:
    """Rows of histograms by (stage, kind), with the sum over the kinds of each stage first."""
    rows: list[StageRow] = []
    for stage in STAGES:
        kinds = {series[1]: buckets for series, buckets in histograms.items() if series[0] == stage}
        together = add({(stage,): buckets} for buckets in kinds.values()).get((stage,), {})
        for kind, buckets in [(ALL_KINDS, together), *sorted(kinds.items())]:
            if count_of(buckets):
                p50, p95, p99 = (_ms(quantile(buckets, share)) for share in (0.5, 0.95, 0.99))
                count = count_of(buckets)
                rows.append(StageRow(stage=stage, kind=kind, count=count, p50_ms=p50, p95_ms=p95, p99_ms=p99))
    return rows


def judge(histograms: Mapping[Series, Buckets], asked: Asked) -> Promise:
    """Whether the promise held for these changes, of all kinds together."""
    totals = add({("total",): b} for series, b in histograms.items() if series[0] == "total").get(("total",), {})
    value_ms = _ms(quantile(totals, asked.percentile / 100))
    holds = None if value_ms is None else value_ms <= asked.threshold_ms
    return Promise(percentile=asked.percentile, threshold_ms=asked.threshold_ms, value_ms=value_ms, holds=holds)


def _freshness(
    view: ClusterView, now: Reading, before: Reading, interval_s: float | None, asked: Asked | None
) -> Freshness:
    grown = add(since(histogram, before.get(node, {})) for node, histogram in now.items())
    return Freshness(
        time=time.time(),
        interval_s=interval_s,
        stages=stage_rows(grown),
        shards=_shards(ask_nodes(view)),
        silent_nodes=sorted(set(view.nodes) - set(now)),
        promise=None if asked is None else judge(grown, asked),
    )


def _shards(asked: list[AskedNode]) -> list[ShardRow]:
    now_us = time.time_ns() // 1000
    return [
        ShardRow(
            generation=shard.generation,
            shard=shard.shard,
            node=one.status.node,
            lag=None if -1 in shard.lag.values() else sum(shard.lag.values()),
            newest_change_age_s=max(now_us - shard.newest_event_us, 0) / 1e6 if shard.newest_event_us else None,
        )
        for one in asked
        if one.status is not None
        for shard in one.status.shards
    ]


def _read(view: ClusterView) -> Reading:
    """The histograms of every node that answers."""
    urls = {name: report.url for name, report in view.nodes.items()}
    if not urls:
        raise NotReady("no shard node has announced itself on this Kafka")
    with ThreadPoolExecutor(min(len(urls), 16)) as pool:
        texts = dict(zip(urls, pool.map(_scrape, urls.values()), strict=True))
    return {
        node: read_histogram(text, FRESHNESS_METRIC, ("stage", "kind"))
        for node, text in texts.items()
        if text is not None
    }


def _scrape(url: str) -> str | None:
    try:
        with urlopen(f"{url}/metrics", timeout=ANSWER_TIMEOUT_S) as answer:
            return str(answer.read().decode())
    except (URLError, OSError, UnicodeDecodeError):
        return None


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None or math.isnan(seconds) else round(seconds * 1000, 3)
