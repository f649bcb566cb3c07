"""The merge, as a shop meets it: one table of histories and what is left of them."""

from typing import Any

import pytest

from schemas.changes import CatalogChange, decode_change
from schemas.item_state import ItemState, Origin, apply_change

Step = tuple[str, dict[str, Any]]


def up(version: int | None = None, **fields: Any) -> dict[str, Any]:
    return {"op": "upsert", "item_id": "i"} | ({} if version is None else {"version": version}) | fields


def patch(version: int | None = None, **attributes: Any) -> dict[str, Any]:
    return {"op": "patch", "item_id": "i", "attributes": attributes} | ({} if version is None else {"version": version})


def delete(version: int | None = None) -> dict[str, Any]:
    return {"op": "delete", "item_id": "i"} | ({} if version is None else {"version": version})


HISTORIES: dict[str, tuple[list[dict[str, Any]], bool, dict[str, Any]]] = {
    "patch after upsert": ([up(1, attributes={"a": 1}), patch(2, b=2)], True, {"a": 1, "b": 2}),
    "patch before upsert is kept unseen": ([patch(2, b=2)], False, {"b": 2}),
    "newer patch survives a late upsert": ([patch(2, b=2), up(1, attributes={"a": 1})], True, {"a": 1, "b": 2}),
    "older patch does not": ([patch(1, b=2), up(2, attributes={"a": 1})], True, {"a": 1}),
    "stale upsert": ([up(5, attributes={"a": 5}), up(3, attributes={"a": 3, "c": 3})], True, {"a": 5}),
    "same version twice": ([up(5, attributes={"a": 5}), up(5, attributes={"a": 5})], True, {"a": 5}),
    "upsert without attributes keeps them": ([up(1, attributes={"a": 1}), up(2)], True, {"a": 1}),
    "late patch under an upsert without attributes": (
        [up(1, attributes={"a": 1}), up(9), patch(2, a=2)],
        True,
        {"a": 2},
    ),
    "empty attributes clear": ([up(1, attributes={"a": 1}), up(2, attributes={})], True, {}),
    "null is a value": ([up(1, attributes={"a": 1}), patch(2, a=None)], True, {"a": None}),
    "delete": ([up(1, attributes={"a": 1}), delete(2)], False, {}),
    "late delete does not kill": ([up(3, attributes={"a": 1}), delete(2)], True, {"a": 1}),
    "stale upsert does not raise the dead": ([delete(4), up(3, attributes={"a": 1})], False, {}),
    "newer upsert does": ([delete(4), up(5, attributes={"a": 1})], True, {"a": 1}),
    "patch alone does not raise the dead": ([up(1), delete(2), patch(3, a=1)], False, {"a": 1}),
    "no versions: log order": (
        [up(attributes={"a": 1}), patch(a=2), delete(), up(attributes={"b": 1})],
        True,
        {"b": 1},
    ),
    "no version takes the current one": ([up(7, attributes={"a": 1}), patch(a=2), delete()], False, {}),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_history(name: str) -> None:
    history, live, attributes = HISTORIES[name]
    state: ItemState | None = None
    for offset, wire in enumerate(history):
        state = apply_change(state, change_of(wire), Origin(0, offset, 1_000_000))
    assert state is not None
    assert (state.live, state.values()) == (live, attributes)


def change_of(wire: dict[str, Any]) -> CatalogChange:
    import msgspec

    return decode_change(msgspec.json.encode(wire), b"i")


def test_picture_is_kept_replaced_and_dropped() -> None:
    def images(*history: dict[str, Any]) -> tuple[str, ...] | None:
        state: ItemState | None = None
        for offset, wire in enumerate(history):
            state = apply_change(state, change_of(wire), Origin(0, offset, 0))
        assert state is not None
        return None if state.image is None else state.image.refs

    assert images(up(1, image_url="file:///1"), up(2)) == ("file:///1",)
    assert images(up(1, image_url="file:///1"), up(2, image_urls=["file:///2", "file:///3"])) == (
        "file:///2",
        "file:///3",
    )
    assert images(up(2, image_url="file:///2"), up(1, image_url="file:///1")) == ("file:///2",)
    assert images(up(1, image_url="file:///1"), up(2, image_urls=[])) == ()
    assert images(up(1, image_url="file:///1"), delete(2), up(3)) is None


def test_current_version_is_the_newest_seen() -> None:
    state = apply_change(None, change_of(up(3)), Origin(0, 0, 0))
    state = apply_change(state, change_of(patch(9, a=1)), Origin(0, 1, 0))
    state = apply_change(state, change_of(up(4)), Origin(0, 2, 0))
    assert state.version == 9
