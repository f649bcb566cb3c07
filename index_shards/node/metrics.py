"""What a node measures of itself."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from index_shards.shard_state import ShardState
from schemas.freshness import FRESHNESS_BUCKETS_S, FRESHNESS_METRIC
from schemas.node_status import Doing, ShardStatus

_SHARD = ("generation", "shard")
_SEARCH_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_FRESH_BUCKETS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800)
STATES = tuple(state.value for state in ShardState)


class NodeMetrics:
    """The counters of one node process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.searches = Counter("lookalive_node_searches", "searches by outcome", (*_SHARD, "outcome"), registry=r)
        self.search_seconds = Histogram(
            "lookalive_node_search_seconds", "a search in its thread", _SHARD, buckets=_SEARCH_BUCKETS, registry=r
        )
        self.waiting = Gauge("lookalive_node_searches_in_flight", "searches running or waiting", registry=r)
        self.records = Counter(
            "lookalive_node_records", "records read, by topic and outcome", (*_SHARD, "topic", "outcome"), registry=r
        )
        self.searchable_seconds = Histogram(
            "lookalive_node_searchable_seconds",
            "from a change's event to its effect on searches, while serving",
            (*_SHARD, "topic"),
            buckets=_FRESH_BUCKETS,
            registry=r,
        )
        self.fresh_seconds = Histogram(
            FRESHNESS_METRIC,
            "seconds of changes from the stage before to this one, and in total, while serving, by kind of change",
            (*_SHARD, "stage", "kind"),
            buckets=FRESHNESS_BUCKETS_S,
            registry=r,
        )
        self.snapshot_seconds = Histogram("lookalive_node_snapshot_seconds", "one snapshot", _SHARD, registry=r)
        self.snapshots_failed = Counter("lookalive_node_snapshots_failed", "snapshots not written", _SHARD, registry=r)
        self.log_gaps = Counter("lookalive_node_log_gaps", "times the log lost what was needed", _SHARD, registry=r)


class ShardGauges(Collector):
    """The shards' own figures, asked at each scrape."""

    def __init__(self, statuses: Callable[[], Iterable[ShardStatus]]) -> None:
        self._statuses = statuses

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering does not ask the shards."""
        return []

    def collect(self) -> Iterator[Metric]:
        """One family per figure."""
        figures = {
            "items": "items that can be found",
            "graph_vectors": "vectors in the graph",
            "buffer_vectors": "vectors in the fresh buffer",
            "dead_vectors": "vectors in the graph that are not searched",
            "size_bytes": "bytes of vectors and links",
            "newest_event_us": "time of the newest event applied, microseconds since the epoch",
            "snapshot_us": "time of the newest snapshot, microseconds since the epoch, 0 for none",
        }
        families = {n: GaugeMetricFamily(f"lookalive_node_{n}", text, labels=_SHARD) for n, text in figures.items()}
        age = GaugeMetricFamily(
            "lookalive_node_newest_change_age_seconds", "since the event of the newest change applied", labels=_SHARD
        )
        lag = GaugeMetricFamily("lookalive_node_lag", "records to be applied, -1 unknown", labels=(*_SHARD, "topic"))
        state = GaugeMetricFamily("lookalive_node_state", "1 for the state it is in", labels=(*_SHARD, "state"))
        at = GaugeMetricFamily("lookalive_node_doing", "1 for what it is at just now", labels=(*_SHARD, "activity"))
        recall = GaugeMetricFamily(
            "shard_recall_at_10", "recall at 10 of live queries that were answered again exactly", labels=_SHARD
        )
        samples = GaugeMetricFamily("shard_recall_at_10_samples", "how many queries that recall is of", labels=_SHARD)
        compactions = CounterMetricFamily(
            "lookalive_node_compactions", "graphs rebuilt without their dead, by outcome", labels=(*_SHARD, "outcome")
        )
        for status in self._statuses():
            labels = [status.generation, str(status.shard)]
            for name, family in families.items():
                family.add_metric(labels, getattr(status, name))
            if status.newest_event_us:
                age.add_metric(labels, max(time.time() - status.newest_event_us / 1e6, 0.0))
            for topic, records in status.lag.items():
                lag.add_metric([*labels, topic], records)
            for name in STATES:
                state.add_metric([*labels, name], float(status.state == name))
            doing = {activity.name for activity in status.doing}
            for activity in get_args(Doing):
                at.add_metric([*labels, activity], float(activity in doing))
            if status.recall_at_10 is not None:
                recall.add_metric(labels, status.recall_at_10)
            samples.add_metric(labels, status.recall_samples)
            compactions.add_metric([*labels, "swapped"], status.compactions)
            compactions.add_metric([*labels, "refused"], status.compactions_refused)
        yield from (*families.values(), age, lag, state, at, recall, samples, compactions)
