"""The stream worker's metrics, on a registry of their own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class StreamMetrics:
    """What one stream worker counts."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.changes = Counter(
            "lookalive_stream_changes",
            "changes taken, by operation and by outcome: applied, replayed, forwarded or rejected",
            ("op", "outcome"),
            registry=self.registry,
        )
        self.rejects = Counter(
            "lookalive_stream_rejects", "rows of catalog.rejects", ("reason",), registry=self.registry
        )
        self.states = Counter(
            "lookalive_stream_states",
            "item states taken by the embed agent: superseded, known, empty, embedded, deleted, rejected or unreadable",
            ("outcome",),
            registry=self.registry,
        )
        self.images = Counter(
            "lookalive_stream_images", "pictures embedded or rejected", ("outcome",), registry=self.registry
        )
        self.batch_size = Histogram(
            "lookalive_stream_batch_size", "item states per batch", buckets=_SIZES, registry=self.registry
        )
        self.stage_seconds = Histogram(
            "lookalive_stream_stage_seconds",
            "seconds of one change in merge, of one batch in embed and write, of a producer held back in gate",
            ("stage",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "lookalive_stream_in_flight", "records taken and not yet acknowledged", ("agent",), registry=self.registry
        )

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self.registry)
