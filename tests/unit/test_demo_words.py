"""What the demo says of a catalogue that is not its own."""

import itertools
import json
from typing import Any

import pytest

from ops.demo import example_filter, in_and_out
from schemas.changes import CatalogChange


def item(item_id: str, attributes: dict[str, Any] | None = None) -> CatalogChange:
    return CatalogChange(op="upsert", item_id=item_id, images=("file:///a.jpg",), attributes=attributes)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ([], None),
        ([None, {}], None),
        ([{"in_stock": True, "price": 9}], {"in_stock": True, "price": {"lt": 50}}),
        ([None, {"category": "hats"}], {"category": "hats"}),
        ([{"tags": ["a"]}, {"tags": ["b"], "size": 4}], {"size": 4}),
    ],
)
def test_the_filter_names_an_attribute_that_is_there(attributes: list[dict[str, Any] | None], expected: Any) -> None:
    said = example_filter([item(str(n), values) for n, values in enumerate(attributes)])
    assert (None if said is None else json.loads(said)) == expected


def test_the_item_of_the_example_is_spared() -> None:
    events = list(itertools.islice(in_and_out([item("a"), item("b"), item("c")], "a"), 8))
    assert [(e.change.op, e.change.item_id) for e in events] == [
        ("delete", "b"),
        ("upsert", "b"),
        ("delete", "c"),
        ("upsert", "c"),
    ] * 2
    alone = next(iter(in_and_out([item("a")], "a")))
    assert alone.change.item_id == "a"
