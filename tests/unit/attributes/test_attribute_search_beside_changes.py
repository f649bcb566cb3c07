"""Searches beside a writer see every item either before a change or after it."""

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pyroaring import BitMap

from index_shards.attribute_index import AttributeIndex
from schemas.filters import parse_filter
from tests.unit.attributes.drawing import expected

ITEMS = 20_000
ROUNDS = 4000
RED: dict[str, Any] = {"color": "red", "price": 1, "name": "one", "list": [1, "a"]}
BLUE: dict[str, Any] = {"color": "blue", "price": 2**60 + 1, "list": ["b", 2, 3], "rare": True}


@pytest.fixture
def busy_switching() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


def names(number: int, attributes: dict[str, Any]) -> dict[str, Any]:
    return {**attributes, "title": f"{attributes['color']} {number}"}


def test_no_item_is_seen_half_changed(busy_switching: None) -> None:
    index = AttributeIndex()
    index.add_many((number, names(number, RED)) for number in range(ITEMS))
    failures: list[str] = []
    searches = [0, 0]
    done = threading.Event()
    impossible = [
        {"price": {"lt": 5}, "color": "blue"},
        {"price": {"gt": 5}, "color": "red"},
        {"rare": True, "name": "one"},
        {"list": {"gt": 1}, "price": 1},
        {"color": {"not": {"in": ["red", "blue"]}}},
        {"and": [{"price": {"not": 1}}, {"price": {"not": 2**60 + 1}}]},
    ]
    everything = [{"or": [{"price": 1}, {"price": {"gt": 2**60}}]}, {"list": {"gte": 1}}]

    def search(place: int) -> None:
        while not done.is_set() or searches[place] < 3:
            failures.extend(f"{wanted} found items" for wanted in impossible if index.select(parse_filter(wanted)))
            failures.extend(
                f"{wanted} missed items" for wanted in everything if len(index.select(parse_filter(wanted))) != ITEMS
            )
            searches[place] += 1

    readers = [threading.Thread(target=search, args=(place,)) for place in range(2)]
    for reader in readers:
        reader.start()
    for turn in range(ROUNDS):
        number = turn * 7919 % ITEMS
        attributes = BLUE if turn % 3 else RED
        index.set(number, names(number, attributes))
        if turn % 50 == 0:
            wanted = parse_filter({"title": f"{attributes['color']} {number}"})
            assert set(index.select(wanted)) == {number}
    done.set()
    for reader in readers:
        reader.join()
    assert not failures
    assert min(searches) >= 3


def test_an_answer_is_the_callers_own() -> None:
    index = AttributeIndex()
    for number in range(10):
        index.set(number, {"a": "x", "b": True})
    for wanted in ({}, {"a": "x"}, {"b": True}, {"a": {"not": "y"}}, {"or": [{"a": "x"}]}, {"and": [{"b": True}]}):
        answer = index.select(parse_filter(wanted))
        answer.clear()
        assert len(index.select(parse_filter(wanted))) == 10


def put_some(index: AttributeIndex, items: dict[int, dict[str, Any]], turn: int) -> None:
    for number in (0, 4, 50 + turn):
        items[number] = {"a": "x" if number % 4 else "y"}
        index.set(number, items[number])


def remove_some(index: AttributeIndex, items: dict[int, dict[str, Any]], turn: int) -> None:
    for number in (1, 2, 10 + turn):
        items.pop(number, None)
        index.set(number, None)


def put_thousands(index: AttributeIndex, items: dict[int, dict[str, Any]], turn: int) -> None:
    for number in range(5000):
        items[number] = {"a": f"x{turn}" if number % 3 else "x"}
        index.set(number, items[number])


def add_at_once(index: AttributeIndex, items: dict[int, dict[str, Any]], turn: int) -> None:
    more = {number: {"a": "x"} for number in range(100 * turn + 100, 100 * turn + 200)}
    items.update(more)
    index.add_many(more.items())


@pytest.mark.parametrize("change", [put_some, remove_some, put_thousands, add_at_once])
@pytest.mark.parametrize("wanted", [{"a": "x"}, {"a": {"not": "x"}}, {}], ids=str)
def test_what_changes_during_a_search_is_in_its_answer(
    change: Callable[[AttributeIndex, dict[int, dict[str, Any]], int], None],
    wanted: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index = AttributeIndex()
    items: dict[int, dict[str, Any]] = {number: {"a": "x" if number % 2 else "y"} for number in range(40)}
    index.add_many(items.items())
    look, turns = index._passing, iter(range(3))

    def look_and_change(*arguments: Any) -> BitMap:
        found = look(*arguments)
        turn = next(turns, None) if arguments[1] is None else None
        if turn is not None:
            change(index, items, turn)
        return found

    monkeypatch.setattr(index, "_passing", look_and_change)
    assert set(index.select(parse_filter(wanted))) == expected(wanted, items)
