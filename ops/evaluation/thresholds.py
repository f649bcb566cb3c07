"""Thresholds for scripts: `mAP=0.2`, `rare:mAP=0.1`, or with a baseline `mAP=1.5x`."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ops.evaluation.report import Bound, Row
from schemas.errors import InputError


class Threshold(NamedTuple):
    """`measure` as `Row.key` has it, and the least its value, or its ratio to the baseline's, may be."""

    measure: str
    least: float
    is_ratio: bool


def parse_threshold(text: str, *, has_baseline: bool) -> Threshold:
    """The threshold of a flag's text.

    Raises:
        InputError: it is not of that form.
    """
    measure, equals, bound = text.rpartition("=")
    is_ratio = bound.endswith("x")
    try:
        least = float(bound.removesuffix("x"))
    except ValueError:
        least = math.nan
    if not equals or not measure or not math.isfinite(least):
        raise InputError(f"--at-least takes MEASURE=NUMBER, as in mAP=0.2 or mAP=1.5x, not {text!r}")
    if is_ratio and not has_baseline:
        raise InputError(f"--at-least {text} compares with a baseline: name one with --baseline")
    return Threshold(measure, least, is_ratio)


def check_names(thresholds: Iterable[Threshold], keys: Sequence[str]) -> None:
    """Passes thresholds of measures that there are; raises InputError, naming some."""
    for threshold in thresholds:
        if threshold.measure not in keys:
            some = ", ".join([key for key in keys if ":" not in key][:20])
            raise InputError(
                f"--at-least: there is no measure {threshold.measure!r}; there are {some}; for a part of the queries "
                "popular:mAP, rare:mAP, category=NAME:mAP and so on"
            )


def judge_thresholds(thresholds: Iterable[Threshold], rows: Sequence[Row]) -> list[Bound]:
    """Which of them hold, by the figures themselves, not their intervals; a figure that is not there holds nothing.

    Raises:
        InputError: one names a measure that there is not.
    """
    thresholds = list(thresholds)
    by_key = {row.key: row for row in rows}
    check_names(thresholds, list(by_key))
    return [_bound(threshold, by_key[threshold.measure]) for threshold in thresholds]


def _bound(threshold: Threshold, row: Row) -> Bound:
    interval = row.ratio if threshold.is_ratio else row.model
    value = None if interval is None else interval.value
    return Bound(
        measure=threshold.measure,
        of="ratio" if threshold.is_ratio else "value",
        at_least=threshold.least,
        value=value,
        holds=value is not None and value >= threshold.least,
    )
