"""The queue of deleted items: oldest first, only what is due, and nothing that was changed since."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rocksdict import Options, Rdict, WriteBatch

from schemas.changes import CatalogChange
from schemas.item_state import Origin, apply_change, encode_state
from streams.delete_markers import due_markers, is_marker, marker_stamp, note_marker, still_holds


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Any]:
    db = Rdict(str(tmp_path / "states"), options=Options(raw_mode=True))
    yield db
    db.close()


def put(db: Any, item: bytes, value: bytes, now_us: int) -> None:
    batch = WriteBatch(raw_mode=True)
    batch.put(item, value)
    note_marker(batch, item, value, now_us)
    db.write(batch)


def test_the_oldest_come_first_and_none_before_its_time(db: Any) -> None:
    for n, now_us in enumerate((300, 100, 70_000, 200)):
        put(db, f"item-{n}".encode(), b"marker", now_us)
    db[b"zebra"] = b"live"
    db[b"__faust\0offset__"] = b"12"
    assert [m.item for m in due_markers(db, 300, b"", 10)] == [b"item-1", b"item-3"]
    first = due_markers(db, 1 << 62, b"", 1)
    assert [m.item for m in first] == [b"item-1"]
    assert [m.item for m in due_markers(db, 1 << 62, first[0].key + b"\0", 10)] == [b"item-3", b"item-0", b"item-2"]
    assert due_markers(db, -5, b"", 10) == []


def test_an_entry_holds_while_its_marker_does(db: Any) -> None:
    put(db, b"a", b"marker", 1)
    (marker,) = due_markers(db, 2, b"", 10)
    assert still_holds(marker, b"marker")
    assert not still_holds(marker, b"another")
    assert not still_holds(marker, None)


@pytest.mark.parametrize(
    ("ops", "marks"),
    [
        (["delete"], True),
        (["upsert", "delete"], True),
        (["upsert", "delete", "patch"], True),
        (["delete", "upsert"], False),
        (["upsert"], False),
        (["patch"], False),
    ],
)
def test_only_the_deleted_leave_markers(ops: list[str], marks: bool) -> None:
    state = None
    for offset, op in enumerate(ops):
        attributes = None if op == "delete" else {"deleted": offset}
        change = CatalogChange(op=op, item_id="a", attributes=attributes)  # type: ignore[arg-type]
        state = apply_change(state, change, Origin(0, offset, offset))
    assert state is not None
    assert is_marker(state) == marks
    assert marker_stamp(encode_state(state)) == (state.newest if marks else None)


def test_what_is_no_state_is_no_marker() -> None:
    assert marker_stamp(None) is None
    assert marker_stamp(b'{"deleted":') is None
