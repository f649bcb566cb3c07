"""An estimate is within its stated error of the share that passes."""

import math
import random
from typing import Any

import pytest
from pyroaring import BitMap

from index_shards.attribute_index import AttributeIndex
from index_shards.attribute_sample import MAX_SAMPLE, MIN_SAMPLE, Sample
from schemas.filters import parse_filter

ITEMS = 30_000
FILTERS: list[dict[str, Any]] = [
    {"price": {"lt": 0.5}},
    {"price": {"lt": 0.1}},
    {"price": {"gte": 0.2, "lt": 0.21}},
    {"price": {"lt": 0.1}, "cheap": True},
    {"price": {"gt": 0.1}, "cheap": True},
    {"or": [{"price": {"lt": 0.1}}, {"place": {"lt": ITEMS / 2}}]},
    {"category": {"not": "c1"}},
    {"place": {"lt": ITEMS / 100}},
    {"title": "title 5"},
    {"category": {"in": ["c1", "c2"]}, "price": {"not": {"gt": 0.3}}},
]


def item(rng: random.Random, number: int) -> dict[str, Any]:
    price = rng.random()
    return {
        "price": price,
        "cheap": price < 0.1,
        "category": f"c{number % 10}",
        "place": number,
        "title": f"title {number}",
    }


@pytest.fixture(scope="module")
def index() -> AttributeIndex:
    rng = random.Random(3)
    made = AttributeIndex()
    made.add_many((number, item(rng, number)) for number in range(ITEMS))
    for number in rng.sample(range(ITEMS), 3000):
        made.set(number, item(rng, number))
    return made


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
def test_within_four_standard_errors(index: AttributeIndex, wanted: dict[str, Any]) -> None:
    parsed = parse_filter(wanted)
    share = len(index.select(parsed)) / index.count
    error = math.sqrt(share * (1 - share) / MIN_SAMPLE)
    assert index.estimate(parsed) == pytest.approx(share, abs=4 * error + 1 / MIN_SAMPLE)


@pytest.mark.parametrize(
    "wanted", [{}, {"category": "c3"}, {"cheap": False}, {"category": "none"}, {"nobody": 1}], ids=str
)
def test_exact_where_it_says_so(index: AttributeIndex, wanted: dict[str, Any]) -> None:
    parsed = parse_filter(wanted)
    assert index.estimate(parsed) == len(index.select(parsed)) / index.count


def test_exact_for_few_items() -> None:
    rng = random.Random(5)
    index = AttributeIndex()
    index.add_many((number, item(rng, number)) for number in range(20_000))
    for number in range(MIN_SAMPLE, 20_000):
        index.set(number, None)
    for wanted in FILTERS:
        parsed = parse_filter(wanted)
        assert index.estimate(parsed) == len(index.select(parsed)) / index.count


def test_a_sample_stays_within_its_size_and_its_items() -> None:
    sample, items = Sample(), BitMap()
    for number in range(40_000):
        items.add(number)
        sample.add(number)
        assert min(number + 1, MAX_SAMPLE // 2 - 400) <= len(sample.items) <= MAX_SAMPLE
    for number in range(39_999, 99, -1):
        items.discard(number)
        sample.discard(number, items)
        assert min(number, MIN_SAMPLE) <= len(sample.items) <= MAX_SAMPLE
    assert sample.items == items


def test_items_added_at_once_are_sampled_as_one_by_one() -> None:
    one, many = Sample(), Sample()
    for number in range(0, 60_000, 3):
        one.add(number)
    for first in range(0, 60_000, 6000):
        many.add_many(BitMap(range(first, first + 6000, 3)))
    assert one.items == many.items
