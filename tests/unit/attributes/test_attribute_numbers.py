"""Numbers are compared as exactly as Python compares them, whatever their size."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from index_shards.attribute_index import AttributeIndex
from schemas.filters import parse_filter
from tests.unit.attributes.drawing import NUMBERS, expected, numbers

INFINITE = [float("inf"), float("-inf")]
near_a_power = st.builds(
    lambda power, offset, sign: sign * (2**power + offset),
    *(st.integers(50, 66), st.integers(-3, 3), st.sampled_from([-1, 1])),
)
any_number = numbers | near_a_power | near_a_power.map(float) | st.sampled_from(INFINITE)
comparison = st.sampled_from(["lt", "lte", "gt", "gte"])


@settings(deadline=None)
@given(st.lists(any_number, max_size=6), comparison, any_number, comparison, any_number, st.booleans())
@example([2**53, 2**53 + 1, 2.0**53], "gt", 2.0**53, "lte", 2**53 + 1, False)
@example([0, -0.0, 5e-324], "gte", 0, "lt", 5e-324, False)
@example([2**63 - 1, 2**63, 2**63 + 1], "gt", 2**63 - 1, "lt", 2.0**63 + 4096, True)
@example([10**400, INFINITE[0]], "gt", 10**399, "lt", INFINITE[0], False)
def test_ranges(values: list[float], first: str, low: float, second: str, high: float, at_once: bool) -> None:
    items = {number: {"n": value} for number, value in enumerate([*NUMBERS, *INFINITE, *values])}
    items[len(items)] = {"n": values}  # type: ignore[dict-item]
    index = AttributeIndex()
    if at_once:
        index.add_many(items.items())
    else:
        for number, attributes in items.items():
            index.set(number, attributes)
    for wanted in ({"n": {first: low}}, {"n": {first: low, second: high}}, {"n": {"in": [low, high], first: high}}):
        assert set(index.select(parse_filter(wanted))) == expected(wanted, items), wanted


@settings(deadline=None)
@given(st.lists(any_number, min_size=1, max_size=30), st.lists(any_number, max_size=30))
def test_one_of_many(sought: list[float], others: list[float]) -> None:
    values = [*NUMBERS, *others, *sought[::2]]
    items = {number: {"n": value} for number, value in enumerate(values)}
    index = AttributeIndex()
    index.add_many(items.items())
    wanted = {"n": {"in": sought}}
    assert set(index.select(parse_filter(wanted))) == expected(wanted, items)


def test_not_a_number_bounds_nothing() -> None:
    index = AttributeIndex()
    for number, value in enumerate([*NUMBERS, float("nan")]):
        index.set(number, {"n": value})
    nan = float("nan")
    assert not index.select(parse_filter({"n": {"lt": nan}}))
    assert not index.select(parse_filter({"n": {"gte": nan, "lt": 5}}))
    assert len(index.select(parse_filter({"n": {"not": {"lt": nan}}}))) == len(NUMBERS) + 1


@pytest.mark.parametrize("after", [1, 2.5, 2**53 + 1, 2**64 + 3, "a", True, None, [2**70, 3]], ids=str)
@pytest.mark.parametrize("before", [1, 2**53 + 1, 2**64 + 1, [2**64 + 1, 2**53 + 1, 1, "a"]], ids=str)
def test_a_number_replaced_is_gone(before: object, after: object) -> None:
    index = AttributeIndex()
    index.set(0, {"n": before})
    index.set(0, {"n": after})
    for value in (1, 2**53 + 1, 2**64 + 1):
        for wanted in ({"n": value}, {"n": {"gte": value, "lte": value}}):
            assert set(index.select(parse_filter(wanted))) == expected(wanted, {0: {"n": after}})
