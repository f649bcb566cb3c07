"""What a filter means, value by value, and what is refused as one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InputError
from schemas.filters import matches, parse_filter

ITEM: dict[str, Any] = {
    "category": "dress",
    "price": 49.9,
    "stock": 3,
    "in_stock": True,
    "sizes": ["s", "m"],
    "ratings": [1, 5],
    "gone": None,
    "nested": {"a": 1},
}
PASS: list[dict[str, Any]] = [
    {},
    {"category": "dress"},
    {"category": {"eq": "dress"}},
    {"category": {"in": ["hat", "dress"]}},
    {"category": {"not": "hat"}},
    {"category": {"not": {"in": ["hat", "shoe"]}}},
    {"price": {"lt": 50}},
    {"price": {"gte": 49.9, "lte": 49.9}},
    {"stock": 3.0},
    {"in_stock": True},
    {"sizes": "m"},
    {"sizes": {"in": ["m", "xl"]}},
    {"ratings": {"gt": 4}},
    {"absent": {"not": "x"}},
    {"gone": {"not": "x"}},
    {"absent": {"not": {"lt": 5}}},
    {"or": [{"category": "hat"}, {"price": {"lt": 50}}]},
    {"and": [{"category": "dress"}, {"or": [{"stock": 3}, {"stock": 4}]}]},
    {"nested": {"not": "x"}},
]
FAIL: list[dict[str, Any]] = [
    {"category": "hat"},
    {"category": "Dress"},
    {"in_stock": 1},
    {"stock": True},
    {"stock": "3"},
    {"price": {"lt": 49.9}},
    {"category": {"lt": 5}},
    {"in_stock": {"lt": 5}},
    {"sizes": {"not": "m"}},
    {"ratings": {"gt": 1, "lt": 5}},
    {"absent": "x"},
    {"absent": {"in": ["x"]}},
    {"gone": {"gte": 0}},
    {"nested": "a"},
    {"or": [{"category": "hat"}, {"price": {"gt": 50}}]},
    {"category": {"in": ["dress"], "not": "dress"}},
]
REFUSED: list[object] = [
    [],
    "category",
    {"category": None},
    {"category": ["dress"]},
    {"category": {}},
    {"category": {"near": "dress"}},
    {"price": {"lt": "50"}},
    {"price": {"lt": True}},
    {"price": {"lt": None}},
    {"category": {"in": "dress"}},
    {"category": {"in": []}},
    {"category": {"in": [None]}},
    {"or": {"category": "dress"}},
    {"or": []},
    {"or": ["category"]},
    {"or": [{"or": [{"or": [{"or": [{"or": [{"or": [{"or": [{"or": [{"or": [{"a": 1}]}]}]}]}]}]}]}]}]},
    {f"a{n}": 1 for n in range(1001)},
]


@pytest.mark.parametrize("raw", PASS, ids=str)
def test_passes(raw: dict[str, Any]) -> None:
    assert matches(parse_filter(raw), ITEM)


@pytest.mark.parametrize("raw", FAIL, ids=str)
def test_fails(raw: dict[str, Any]) -> None:
    assert not matches(parse_filter(raw), ITEM)


@pytest.mark.parametrize("raw", REFUSED, ids=lambda r: str(r)[:60])
def test_refused(raw: object) -> None:
    with pytest.raises(InputError) as refusal:
        parse_filter(raw)
    assert refusal.value.code == "bad_filter"
    assert refusal.value.http_status == 400


SCALARS = st.sampled_from(["a", "b", 1, 1.0, 2, True, False, 0])


@given(SCALARS, st.dictionaries(st.just("x"), st.none() | SCALARS | st.lists(SCALARS, max_size=3)))
def test_not_is_the_complement(value: object, item: dict[str, Any]) -> None:
    assert matches(parse_filter({"x": value}), item) != matches(parse_filter({"x": {"not": value}}), item)


@given(st.lists(SCALARS, min_size=1, max_size=3), st.dictionaries(st.just("x"), SCALARS))
def test_in_is_a_disjunction(values: list[Any], item: dict[str, Any]) -> None:
    one_of = any(matches(parse_filter({"x": v}), item) for v in values)
    assert matches(parse_filter({"x": {"in": values}}), item) == one_of


def test_attributes_are_all_named() -> None:
    parsed = parse_filter({"a": 1, "or": [{"b": 2}, {"and": [{"c": {"not": 3}}]}]})
    assert parsed.attributes() == {"a", "b", "c"}
