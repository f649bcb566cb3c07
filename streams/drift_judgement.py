"""Whether what comes now is still like the reference window: the indices, their thresholds and the alarms."""

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np

from schemas.drift_records import DriftReference, DriftReport, Key, counts_of, edges_of
from schemas.drift_settings import DriftSettings
from streams.psi import CHANCE, chance_psi, critical_mean_psi, critical_psi, effective_bins, psi

Alarm = Literal["dimensions", "dimension", "norm", "score", "collapsed"]
State = Literal["collecting", "filling", "calm", "drift"]
WORST = 5


class Shift(msgspec.Struct, frozen=True):
    """A dimension and its index."""

    dimension: int
    psi: float


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """One source of one generation.

    `state` is `collecting` while the reference is being gathered (`items` of `wanted`), `filling` while the window
    holds fewer items than it takes to judge, else `calm`, or `drift` with its `alarms`. `mean_psi` is the mean over the
    dimensions, `chance_psi` what of it samples of one population have on average, `critical_psi` once in a million
    times. What is not known is None.
    """

    generation: str
    source: str
    state: State
    items: int
    wanted: int
    time_us: int
    workers: int
    reference_us: int | None = None
    reference_items: int | None = None
    alarms: list[Alarm] = []
    mean_psi: float | None = None
    chance_psi: float | None = None
    critical_psi: float | None = None
    dimensions_beyond: int | None = None
    collapsed_share: float | None = None
    reference_collapsed_share: float | None = None
    norm_psi: float | None = None
    mean_norm: float | None = None
    reference_mean_norm: float | None = None
    score_psi: float | None = None
    mean_score: float | None = None
    reference_mean_score: float | None = None
    worst: list[Shift] = []
    psi: list[float] = []


def judge(
    key: Key, reference: DriftReference | None, reports: Sequence[DriftReport], settings: DriftSettings
) -> Judgement:
    """The newest windows of all workers together against the reference.

    A single index (of lengths, of scores, of one dimension) raises an alarm above `settings.psi`, the dimensions
    together do by the mean of their indices: above `settings.mean_psi`, less what chance makes of it. All must also
    pass what chance does once in a million times with samples of these sizes, of one dimension among all of them.
    Windows are counts, so any number of them adds up.
    """
    items = sum(report.items for report in reports)
    told = Judgement(
        generation=key[0],
        source=key[1],
        state="filling",
        items=items,
        wanted=settings.window,
        time_us=max((report.time_us for report in reports), default=0),
        workers=len(reports),
    )
    if reference is None:
        most = max(reports, key=lambda report: report.items, default=None)
        items, wanted = (0, settings.reference) if most is None else (most.items, most.wanted)
        return msgspec.structs.replace(told, state="collecting", items=items, wanted=wanted)
    told = msgspec.structs.replace(told, reference_us=reference.made_us, reference_items=reference.items)
    if items < settings.window:
        return told
    measured = _measured(told, reference, reports, settings.psi)
    alarms = _alarms(measured, reference, settings)
    return msgspec.structs.replace(measured, state="drift" if alarms else "calm", alarms=alarms)


def _measured(told: Judgement, reference: DriftReference, reports: Sequence[DriftReport], limit: float) -> Judgement:
    dimension, edges = reference.dimension, edges_of(reference)
    counts = [counts_of(report, dimension) for report in reports if report.items]
    indices = psi(counts_of(reference, dimension), np.sum(counts, axis=0))
    bins = effective_bins(edges)
    dimensions, (norm, score) = indices[:dimension], indices[dimension:].tolist()
    by_chance = critical_psi(bins[:dimension], told.items, reference.items, CHANCE / dimension)
    worst = np.argsort(-dimensions, kind="stable")[:WORST]
    chance = float(chance_psi(bins, told.items, reference.items)[:dimension].mean())
    mean_norm, mean_score = (_mean(reports, name) for name in ("mean_norm", "mean_score"))
    return msgspec.structs.replace(
        told,
        mean_psi=float(dimensions.mean()),
        chance_psi=chance,
        critical_psi=critical_mean_psi(chance, reference.freedom),
        dimensions_beyond=int(np.count_nonzero(dimensions > np.maximum(limit, by_chance))),
        collapsed_share=sum(r.collapsed * r.items for r in reports) / told.items / dimension,
        reference_collapsed_share=reference.collapsed / dimension,
        norm_psi=None if mean_norm is None or reference.mean_norm is None else norm,
        mean_norm=mean_norm,
        reference_mean_norm=reference.mean_norm,
        score_psi=None if mean_score is None or reference.mean_score is None else score,
        mean_score=mean_score,
        reference_mean_score=reference.mean_score,
        worst=[Shift(int(place), float(dimensions[place])) for place in worst],
        psi=dimensions.tolist(),
    )


def _alarms(measured: Judgement, reference: DriftReference, settings: DriftSettings) -> list[Alarm]:
    assert measured.mean_psi is not None
    assert measured.chance_psi is not None
    assert measured.critical_psi is not None
    assert measured.collapsed_share is not None
    assert measured.reference_collapsed_share is not None
    by_chance = critical_psi(effective_bins(edges_of(reference)), measured.items, reference.items)
    norm_limit, score_limit = np.maximum(settings.psi, by_chance[reference.dimension :])
    raised: dict[Alarm, bool] = {
        "dimensions": measured.mean_psi > max(measured.chance_psi + settings.mean_psi, measured.critical_psi),
        "dimension": bool(measured.dimensions_beyond),
        "norm": measured.norm_psi is not None and measured.norm_psi > norm_limit,
        "score": measured.score_psi is not None and measured.score_psi > score_limit,
        "collapsed": measured.collapsed_share - measured.reference_collapsed_share > settings.collapsed,
    }
    return [alarm for alarm, is_raised in raised.items() if is_raised]


def _mean(reports: Sequence[DriftReport], name: Literal["mean_norm", "mean_score"]) -> float | None:
    """Over all items; None where a worker does not know."""
    values = [(getattr(report, name), report.items) for report in reports if report.items]
    if any(value is None for value, _ in values):
        return None
    return float(sum(value * items for value, items in values) / sum(items for _, items in values))
