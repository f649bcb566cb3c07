"""Thresholds for scripts."""

import pytest

from ops.evaluation.report import Interval, Row
from ops.evaluation.thresholds import judge_thresholds, parse_threshold
from schemas.errors import InputError


def row(part: str, measure: str, value: float | None, ratio: float | None = None) -> Row:
    return Row(
        part=part,
        measure=measure,
        queries=9,
        model=Interval(value=value, low=None, high=None),
        ratio=None if ratio is None else Interval(value=ratio, low=None, high=None),
    )


ROWS = [
    row("all", "mAP", 0.3, 1.4),
    row("category=hat", "mAP", 0.1),
    row("robustness", "found@5/crop", 0.95),
    row("rare", "mAP", None),
]


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("mAP=0.3", True),
        ("mAP=0.31", False),
        ("mAP=1.4x", True),
        ("mAP=1.5x", False),
        ("category=hat:mAP=0.05", True),
        ("found@5/crop=0.9", True),
        ("rare:mAP=0", False),
    ],
)
def test_a_threshold_is_about_the_figure_it_names(text: str, holds: bool) -> None:
    (bound,) = judge_thresholds([parse_threshold(text, has_baseline=True)], ROWS)
    assert bound.holds is holds


@pytest.mark.parametrize("text", ["mAP", "=0.2", "mAP=", "mAP=much", "mAP=nan", "mAP=x"])
def test_what_is_no_threshold_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="MEASURE=NUMBER"):
        parse_threshold(text, has_baseline=True)


def test_a_ratio_needs_a_baseline() -> None:
    with pytest.raises(InputError, match="--baseline"):
        parse_threshold("mAP=1.5x", has_baseline=False)


def test_an_unknown_measure_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"no measure 'map'; there are mAP"):
        judge_thresholds([parse_threshold("map=0.2", has_baseline=False)], ROWS)
