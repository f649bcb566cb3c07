"""Histograms of several processes, added up, and their percentiles."""

import math
from collections.abc import Iterable, Mapping

from prometheus_client.parser import text_string_to_metric_families

Series = tuple[str, ...]
Buckets = dict[float, float]
"""Upper bound -> how many observations were at most that, as Prometheus counts them: cumulative, with infinity."""


def read_histogram(text: str, name: str, labels: tuple[str, ...]) -> dict[Series, Buckets]:
    """A metric's histograms in Prometheus' text format, added up over all labels but these."""
    found: dict[Series, Buckets] = {}
    for family in text_string_to_metric_families(text):
        if family.name != name:
            continue
        for sample in family.samples:
            if sample.name != f"{name}_bucket":
                continue
            series = tuple(sample.labels[label] for label in labels)
            buckets = found.setdefault(series, {})
            bound = float(sample.labels["le"])
            buckets[bound] = buckets.get(bound, 0.0) + sample.value
    return found


def add(histograms: Iterable[Mapping[Series, Buckets]]) -> dict[Series, Buckets]:
    """The sum of histograms that have the same bounds."""
    total: dict[Series, Buckets] = {}
    for histogram in histograms:
        for series, buckets in histogram.items():
            held = total.setdefault(series, {})
            for bound, count in buckets.items():
                held[bound] = held.get(bound, 0.0) + count
    return total


def since(now: Mapping[Series, Buckets], before: Mapping[Series, Buckets]) -> dict[Series, Buckets]:
    """What was observed between two readings of one process; one that started again begins at nothing."""
    grown: dict[Series, Buckets] = {}
    for series, buckets in now.items():
        earlier = before.get(series, {})
        restarted = any(count < earlier.get(bound, 0.0) for bound, count in buckets.items())
        grown[series] = {b: count - (0.0 if restarted else earlier.get(b, 0.0)) for b, count in buckets.items()}
    return grown


def count_of(buckets: Buckets) -> int:
    """How many observations there are."""
    return round(buckets.get(math.inf, 0.0))


def quantile(buckets: Buckets, share: float) -> float | None:
    """The value below which this share of the observations lies; None of none.

    As Prometheus' `histogram_quantile` (https://prometheus.io/docs/prometheus/latest/querying/functions/): the bucket
    that holds it, taken as evenly filled; beyond the highest finite bound, that bound.
    """
    bounds = sorted(buckets)
    total = buckets.get(math.inf, 0.0)
    if not total:
        return None
    rank = share * total
    place = next(i for i, bound in enumerate(bounds) if buckets[bound] >= rank and buckets[bound] > 0)
    if math.isinf(bounds[place]):
        return bounds[place - 1] if place else None
    low, below = (bounds[place - 1], buckets[bounds[place - 1]]) if place else (0.0, 0.0)
    return low + (bounds[place] - low) * (rank - below) / (buckets[bounds[place]] - below)
