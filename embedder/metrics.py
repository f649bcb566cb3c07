"""The embedder's metrics, made for the registry they are given."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class EmbedderMetrics:
    """What the embedding worker counts; one instance per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.batch_size = Histogram(
            "lookalive_embedder_batch_size", "pictures per model call", buckets=_SIZES, registry=registry
        )
        self.stage_seconds = Histogram(
            "lookalive_embedder_stage_seconds",
            "seconds of one picture in fetch, prepare and wait (prepared to answered), of one batch in encode",
            labelnames=("stage",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.queue_depth = Gauge(
            "lookalive_embedder_queue_depth", "pictures admitted and not yet answered", registry=registry
        )
        self.fetches = Counter(
            "lookalive_embedder_fetches",
            "pictures fetched, by scheme and outcome: sent, unchanged (known already, not sent) or the reason why not",
            labelnames=("scheme", "outcome"),
            registry=registry,
        )
        self.fetched_bytes = Counter(
            "lookalive_embedder_fetched_bytes", "bytes of pictures fetched", labelnames=("scheme",), registry=registry
        )
        self.cache = Counter(
            "lookalive_embedder_cache",
            "catalogue pictures looked up in the vector cache: hit, miss, or joined (being embedded at that moment)",
            labelnames=("outcome",),
            registry=registry,
        )
        self.cache_bytes = Gauge(
            "lookalive_embedder_cache_bytes", "bytes of the vector cache on disk", registry=registry
        )
        self.busy = Counter(
            "lookalive_embedder_busy", "pictures turned away because the queue was full", registry=registry
        )
