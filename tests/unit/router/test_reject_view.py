"""The memory of refusals is bounded, and knows what concerns whom."""

from typing import Any

from query_router.reject_view import PER_ITEM, RejectView
from schemas.item_state import Stamp
from schemas.rejects import Reject, RejectOrigin


def row(item_id: str | None, offset: int = 0, topic: str = "catalog.changes", **fields: Any) -> Reject:
    return Reject(
        reason="bad_schema",
        message="m" * 5000,
        origin=RejectOrigin(topic, 1, offset, 7),
        item_id=item_id,
        **fields,
    )


def test_oldest_items_are_forgotten_first() -> None:
    view = RejectView(max_items=3)
    for n in range(4):
        view.add(row(f"i{n}"))
    view.add(row("i1", 1))
    view.add(row("i4"))
    assert [len(view.of(f"i{n}")) for n in range(5)] == [0, 2, 0, 1, 1]


def test_rows_of_an_item_are_bounded_and_short() -> None:
    view = RejectView()
    for n in range(PER_ITEM + 5):
        view.add(row("i", n))
    rows = view.of("i")
    assert [r.offset for r in rows] == list(range(5, PER_ITEM + 5))
    assert len(rows[0].message) < 1000


def test_repeated_row_counts_once_and_one_without_an_item_not_at_all() -> None:
    view = RejectView()
    for reject in (row("i"), row("i"), row(None)):
        view.add(reject)
    assert len(view.of("i")) == 1
    assert view.of("") == []


def test_picture_is_known_by_its_stamp() -> None:
    view = RejectView()
    original = '{"op":"upsert","item_id":"i","version":3,"event_time":"1970-01-01T00:00:00.000009Z"}'
    view.add(row("i", topic="items.state", original=original))
    view.add(row("i", 5, original=original))
    view.add(row("i", 6, original="not json"))
    assert [r.is_of(Stamp(3, 9, 77, 1)) for r in view.of("i")] == [True, False, False]
    assert [r.is_of(Stamp(2, 9, 77, 1)) for r in view.of("i")] == [False, False, False]
