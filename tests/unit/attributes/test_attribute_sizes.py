"""At sizes where the index changes its ways: more values than bitmaps, few items with an attribute, long lists."""

import random
from typing import Any

import pytest

from index_shards.attribute_index import AttributeIndex
from schemas.filters import parse_filter
from tests.unit.attributes.drawing import expected

ITEMS = 12_000
FILTERS: list[dict[str, Any]] = [
    {"category": "c3"},
    {"category": {"in": [f"c{n}" for n in range(0, 40, 3)]}},
    {"brand": "b0"},
    {"brand": {"not": "b0"}},
    {"brand": {"in": [f"b{n}" for n in range(0, 3000, 7)]}},
    {"title": "title 77"},
    {"title": {"in": [f"title {n}" for n in range(0, 30_000, 11)]}},
    {"volts": {"gt": 100}},
    {"volts": {"not": {"gt": 100}}, "category": "c1"},
    {"tags": "t1"},
    {"tags": {"in": ["t1", "t9", "t77"]}, "in_stock": True},
    {"price": {"gte": 20, "lt": 21}},
    {"price": {"lt": 50}, "category": "c5", "sizes": {"gt": 38, "lt": 40}},
    {"in_stock": {"not": True}},
    {"stamp": {"gt": 2**60 + 5000}},
    {"stamp": {"lt": 2**60 + 5000}},
    {"or": [{"brand": "b1"}, {"volts": 12}, {"category": "c2", "price": {"gt": 60}}]},
]


def draw(rng: random.Random, number: int) -> dict[str, Any]:
    item: dict[str, Any] = {
        "category": f"c{rng.randrange(40)}",
        "brand": f"b{int(rng.paretovariate(0.5)) % 3000 - 1}",
        "title": f"title {number}",
        "price": rng.randrange(100) + rng.choice([0, 0.5]),
        "in_stock": rng.random() < 0.8,
        "tags": [f"t{rng.randrange(300)}" for _ in range(rng.randrange(5))],
        "sizes": [rng.randrange(34, 46) for _ in range(rng.randrange(4))],
        "stamp": 2**60 + number,
    }
    if rng.random() < 0.03:
        item["volts"] = rng.choice([12, 230, [12, 230], "12"])
    return item


def check(index: AttributeIndex, items: dict[int, dict[str, Any]]) -> None:
    assert index.count == len(items)
    for wanted in FILTERS:
        assert set(index.select(parse_filter(wanted))) == expected(wanted, items), wanted


@pytest.mark.parametrize("at_once", [True, False])
def test_many_items_through_many_changes(at_once: bool) -> None:
    rng = random.Random(7)
    items = {number: draw(rng, number) for number in range(ITEMS)}
    index = AttributeIndex()
    if at_once:
        index.add_many(items.items())
    else:
        for number in rng.sample(range(ITEMS), ITEMS):
            index.set(number, items[number])
    check(index, items)
    for number in rng.sample(range(ITEMS), ITEMS // 2):
        items[number] = draw(rng, number)
        index.set(number, items[number])
    for number in rng.sample(range(ITEMS), ITEMS // 3):
        del items[number]
        index.set(number, None)
    check(index, items)
    more = {number: draw(rng, number) for number in range(ITEMS, ITEMS + 3000)}
    index.add_many(more.items())
    check(index, items | more)


def test_a_million_titles_make_no_million_bitmaps() -> None:
    index = AttributeIndex()
    index.add_many((number, {"title": f"title {number}"}) for number in range(100_000))
    assert index.memory < 30 * index.count


def test_an_attribute_of_few_items_costs_the_others_nothing() -> None:
    index = AttributeIndex()
    index.add_many((number, {"a": 1}) for number in range(50_000))
    before = index.memory
    for number in range(0, 50_000, 500):
        index.set(number, {"a": 1, **{f"rare {n}": n for n in range(20)}})
    assert index.memory - before < 100 * 20 * 100


def test_a_value_many_items_have_gets_its_bitmap_back_when_asked_for() -> None:
    index = AttributeIndex()
    index.add_many((number, {"brand": f"b{number}" if number % 3 else "big"}) for number in range(12_000))
    wanted = parse_filter({"brand": "big"})
    for _ in range(2):
        assert len(index.select(wanted)) == 4000
        index.set(1, {"brand": "other"})
    assert index.estimate(wanted) == pytest.approx(1 / 3, abs=1e-9)
    index.set(2, {"brand": "big"})
    index.set(3, None)
    assert set(index.select(wanted)) == {2, *range(0, 12_000, 3)} - {3}


def test_what_no_item_has_leaves_nothing_behind() -> None:
    index = AttributeIndex()
    empty = index.memory
    for number in range(300):
        index.set(5, {f"name {number}": [1, "a", True]})
    assert index.unknown(parse_filter({"name 298": 1, "name 299": 1})) == ["name 298"]
    index.set(5, None)
    index.set(5, None)
    assert index.count == 0
    assert index.memory < empty + 200
    assert index.estimate(parse_filter({})) == 0
