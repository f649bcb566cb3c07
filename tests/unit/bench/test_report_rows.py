"""The arithmetic of a report: ratios, bounds and whether they hold."""

import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.bench.report import Row, row, show

positive = st.floats(min_value=1e-6, max_value=1e6)


@given(positive, positive, positive)
def test_a_bound_is_of_the_ratio_where_there_is_a_baseline(value: float, baseline: float, bound: float) -> None:
    least = row("m", value, "u", baseline=baseline, at_least=bound)
    most = row("m", value, "u", baseline=baseline, at_most=bound)
    assert least.ratio == most.ratio == value / baseline
    assert least.holds == (value / baseline >= bound)
    assert most.holds == (value / baseline <= bound)
    assert least.bound == f"ratio >= {bound:g}"


@given(positive, positive)
def test_a_bound_is_of_the_value_where_there_is_none(value: float, bound: float) -> None:
    made = row("m", value, "u", at_least=bound)
    assert (made.baseline, made.ratio) == (None, None)
    assert made.holds == (value >= bound)
    assert made.bound == f"value >= {bound:g}"


def test_a_bound_can_be_of_the_value_beside_a_baseline() -> None:
    made = row("m", 0.94, "share", baseline=0.5, at_least=0.95, of="value")
    assert made == Row(
        measure="m", value=0.94, unit="share", baseline=0.5, ratio=1.88, bound="value >= 0.95", holds=False
    )


def test_a_bound_in_words_is_judged_as_it_was_worked_out() -> None:
    made = row("m", 3.0, "s", baseline=0.5, at_most=3.5, of="value", said="value <= 3 x baseline + 2")
    assert (made.bound, made.holds) == ("value <= 3 x baseline + 2", True)


def test_nothing_promised_is_nothing_held() -> None:
    assert row("m", 1.0, "u", baseline=2.0).holds is None


@pytest.mark.parametrize("value", [math.nan, 5.0])
def test_a_ratio_that_cannot_be_formed_keeps_no_promise(value: float) -> None:
    baseline = 0.0 if value == 5.0 else 1.0
    assert row("m", value, "u", baseline=baseline, at_least=0.1).holds is False
    assert row("m", value, "u", baseline=baseline, at_most=9.0).holds is False


def test_one_broken_bound_breaks_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    kept, broken, free = row("a", 1, "u", at_least=1), row("b", 1, "u", at_least=2), row("c", 1, "u")
    assert show("x", [kept, free], as_json=True)
    assert not show("x", [kept, broken, free], as_json=True)
    said = capsys.readouterr().out
    last = json.loads(said[said.rindex('{\n  "bench"') :])
    assert [r["holds"] for r in last["rows"]] == [True, False, None]


def test_the_table_names_what_broke(capsys: pytest.CaptureFixture[str]) -> None:
    show("x", [row("a figure / its baseline", 1.0, "u", baseline=4.0, at_least=2)], as_json=False)
    line = next(line for line in capsys.readouterr().out.splitlines() if "a figure" in line)
    assert re.split(r" {2,}", line.strip()) == [
        "a figure / its baseline",
        "1",
        "u",
        "4",
        "0.25",
        "ratio >= 2",
        "NO",
    ]
