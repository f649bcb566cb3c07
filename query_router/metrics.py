"""The router's metrics, on a registry of their own."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from schemas.freshness import FRESHNESS_BUCKETS_S

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class RouterMetrics:
    """What one router counts."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.requests = Counter(
            "lookalive_router_requests", "answers by route and status", ("route", "status"), registry=self.registry
        )
        self.stage_seconds = Histogram(
            "lookalive_router_stage_seconds",
            "seconds of a query by stage: lookup, embed, fan-out, merge, total",
            ("stage",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.shards = Counter(
            "lookalive_router_shard_answers", "shards asked, by outcome", ("outcome",), registry=self.registry
        )
        self.samples = Counter(
            "lookalive_router_samples",
            "searches by a picture by what became of telling them in search.events: told, passed_over (more per second "
            "than are told), dropped (no room) or failed",
            ("outcome",),
            registry=self.registry,
        )
        self.in_flight = Gauge("lookalive_router_queries_in_flight", "queries being answered", registry=self.registry)
        self.writes_in_flight = Gauge(
            "lookalive_router_writes_in_flight", "bodies of changes being read", registry=self.registry
        )

        self.fresh_seconds = Histogram(
            "lookalive_router_freshness_seconds",
            "seconds until this router saw that searches show a change: since a shard showed it (seen) and since its "
            "event (total), for changes that were waited for (write), told by the live feed (live) or searched for by "
            "a canary, by kind",
            ("source", "stage", "kind"),
            buckets=FRESHNESS_BUCKETS_S,
            registry=self.registry,
        )

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure one stage of a query, failed or not."""
        with self.stage_seconds.labels(name).time():
            yield

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self.registry)
