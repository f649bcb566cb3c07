"""The newest judgements of drift, as metrics."""

from collections.abc import Iterator
from typing import get_args

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from streams.drift_judgement import Alarm, Judgement

ALARMS: tuple[Alarm, ...] = get_args(Alarm)
SOURCE = ("generation", "source")


class DriftMetrics(Collector):
    """Of each source what this worker's own window says; a gauge of what is not known is left out."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._judged: dict[tuple[str, str], Judgement] = {}
        self.items = Counter(
            "lookalive_drift_items", "items and searches by a picture that were measured", SOURCE, registry=registry
        )
        self._raised = Counter(
            "lookalive_drift_alarms", "alarms that were raised, by what moved", (*SOURCE, "of"), registry=registry
        )
        registry.register(self)

    def note(self, judgement: Judgement) -> None:
        """Take the place of the source's last one."""
        key = (judgement.generation, judgement.source)
        before = self._judged.get(key)
        for alarm in judgement.alarms:
            if before is None or alarm not in before.alarms:
                self._raised.labels(*key, alarm).inc()
        self._judged[key] = judgement

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: what there is depends on what was judged."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """See `prometheus_client.registry.Collector`."""
        window = GaugeMetricFamily("lookalive_drift_window", "items in the window that is judged", labels=SOURCE)
        index = GaugeMetricFamily(
            "lookalive_drift_psi",
            "population stability index against the reference window: of lengths before normalisation (norm), of best "
            "scores (score), mean over the dimensions (mean), and of that what chance alone makes (chance)",
            labels=(*SOURCE, "of"),
        )
        dimension = GaugeMetricFamily(
            "lookalive_drift_dimension_psi",
            "population stability index of each number of the vectors",
            labels=(*SOURCE, "dimension"),
        )
        share = GaugeMetricFamily(
            "lookalive_drift_dimensions",
            "share of dimensions that moved (beyond), and that hardly vary (collapsed)",
            labels=(*SOURCE, "of"),
        )
        mean = GaugeMetricFamily(
            "lookalive_drift_mean",
            "mean length before normalisation (norm) and mean best score (score), now and in the reference window",
            labels=(*SOURCE, "of", "when"),
        )
        alarm = GaugeMetricFamily("lookalive_drift_alarm", "1 while it moves", labels=(*SOURCE, "of"))
        for key, judged in list(self._judged.items()):
            window.add_metric(key, judged.items)
            if judged.mean_psi is None:
                continue
            _add(index, key, norm=judged.norm_psi, score=judged.score_psi)
            _add(index, key, mean=judged.mean_psi, chance=judged.chance_psi)
            beyond = (judged.dimensions_beyond or 0) / len(judged.psi)
            _add(share, key, beyond=beyond, collapsed=judged.collapsed_share)
            for number, value in enumerate(judged.psi):
                dimension.add_metric((*key, str(number)), value)
            for when, norm, score in (
                ("now", judged.mean_norm, judged.mean_score),
                ("reference", judged.reference_mean_norm, judged.reference_mean_score),
            ):
                for of, value_now in (("norm", norm), ("score", score)):
                    if value_now is not None:
                        mean.add_metric((*key, of, when), value_now)
            for of in ALARMS:
                alarm.add_metric((*key, of), float(of in judged.alarms))
        yield from (window, index, dimension, share, mean, alarm)


def _add(family: GaugeMetricFamily, key: tuple[str, str], **values: float | None) -> None:
    for of, value in values.items():
        if value is not None:
            family.add_metric((*key, of), value)
