"""The stream worker's metrics, on a registry of their own."""

import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from schemas.freshness import FRESHNESS_BUCKETS_S, FRESHNESS_METRIC
from schemas.vector_record import StageTimes

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class StreamMetrics:
    """What one stream worker counts."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._count_afterthoughts()
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
            "item states taken by the embed agent: superseded, known, empty, embedded, deleted, forgotten, waiting, "
            "rejected or unreadable",
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
        self.fresh_seconds = _fresh_seconds(self.registry)
        self._fresh: dict[tuple[str, str], Histogram] = {}
        self.in_flight = Gauge(
            "lookalive_stream_in_flight", "records taken and not yet acknowledged", ("agent",), registry=self.registry
        )

        self.partitions = Gauge(
            "lookalive_stream_partitions",
            "partitions that the agent has been given; 0 where other workers have all",
            ("agent",),
            registry=self.registry,
        )

    def _count_afterthoughts(self) -> None:
        """What is not done at once, or done again."""
        self.retries = Counter(
            "lookalive_stream_retries",
            "items of catalog.retries tried again: embedded, waiting, put_off (the host is left alone), rejected, "
            "superseded or known",
            ("outcome",),
            registry=self.registry,
        )
        self.retries_waiting = Gauge(
            "lookalive_stream_retries_waiting",
            "items of catalog.retries held in memory until they are tried again",
            registry=self.registry,
        )
        self.forgotten = Counter(
            "lookalive_stream_forgotten",
            "deleted items of which nothing is kept any more, by topic",
            ("topic",),
            registry=self.registry,
        )
        self.mended = Counter(
            "lookalive_stream_mended",
            "records written again because an older one lay behind them, by topic",
            ("topic",),
            registry=self.registry,
        )

    def note_fresh(self, stage: str, kind: str, since_us: int, until_us: int) -> None:
        """A change passed a stage; times are microseconds since the epoch, 0 where one is not known."""
        if since_us and until_us:
            child = self._fresh.get((stage, kind))
            if child is None:
                child = self._fresh[stage, kind] = self.fresh_seconds.labels(stage, kind)
            child.observe(max(until_us - since_us, 0) / 1e6)

    def note_embedded(self, written: Iterable[StageTimes]) -> None:
        """Records of vectors were written just now: their stages since the merge."""
        now_us = time.time_ns() // 1000
        for times in written:
            kind = "picture" if times.embedded_us else "delete"
            self.note_fresh("fetched", kind, times.merged_us, times.fetched_us)
            self.note_fresh("embedded", kind, times.fetched_us, times.embedded_us)
            self.note_fresh("logged", kind, times.embedded_us or times.merged_us, now_us)

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self.registry)


def _fresh_seconds(registry: CollectorRegistry) -> Histogram:
    return Histogram(
        FRESHNESS_METRIC,
        "seconds of changes from the stage before to this one, by kind of change",
        ("stage", "kind"),
        buckets=FRESHNESS_BUCKETS_S,
        registry=registry,
    )
