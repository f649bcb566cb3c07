"""A file of states that is rebuilt from a log with older records behind newer ones holds the newest of each item."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rocksdict import Options, Rdict

from schemas.changes import CatalogChange
from schemas.forgetting import forgotten_header
from schemas.item_state import ItemState, Origin, apply_change, decode_state, encode_state, join
from streams.delete_markers import due_markers
from streams.state_recovery import StateRecovery, newest_of

KEY = b"a"
OPS = st.sampled_from(["upsert", "patch", "delete"])


class Record(NamedTuple):
    """A record of the log, as far as rebuilding looks at it."""

    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp: float = 7.0


def history(*ops: str) -> list[ItemState]:
    """The states of an item after each of these changes."""
    states: list[ItemState] = []
    for offset, op in enumerate(ops):
        attributes = None if op == "delete" else {f"n{offset}": offset}
        change = CatalogChange(op=op, item_id="a", attributes=attributes)  # type: ignore[arg-type]
        states.append(apply_change(states[-1] if states else None, change, Origin(0, offset, 1000 + offset)))
    return states


def null_as_of(state: ItemState) -> Record:
    assert state.newest is not None
    return Record(KEY, None, [forgotten_header(state.newest)])


def rebuilt(folder: Path, records: list[Record], batches: int = 1) -> tuple[bytes | None, bool]:
    """What the file holds of the item, and whether the log is behind it."""
    db = Rdict(str(folder / "states"), options=Options(raw_mode=True))
    recovery = StateRecovery()
    recovery.begin(0)
    size = max(len(records) // batches, 1)
    for begin in range(0, len(records), size):
        recovery.apply(db, 0, records[begin : begin + size])
    held = db.get(KEY)
    db.close()
    return held, [*recovery.take_behind([0], 10)] == [(0, KEY)]


@pytest.mark.parametrize("batches", [1, 3])
def test_the_newest_of_a_disordered_log_is_kept_and_the_log_known_to_be_behind(tmp_path: Path, batches: int) -> None:
    states = [encode_state(state) for state in history("upsert", "patch", "patch")]
    assert rebuilt(tmp_path / "right", [Record(KEY, s) for s in states], batches) == (states[2], False)
    disordered = [Record(KEY, states[n]) for n in (0, 2, 1)]
    assert rebuilt(tmp_path / "wrong", disordered, batches) == (states[2], True)
    mended = [*disordered, Record(KEY, states[2])]
    assert rebuilt(tmp_path / "mended", mended, batches) == (states[2], False)


def test_a_null_forgets_what_it_speaks_of_and_no_more(tmp_path: Path) -> None:
    upserted, deleted, revived = history("upsert", "delete", "upsert")
    log = [Record(KEY, encode_state(state)) for state in (upserted, deleted)]
    assert rebuilt(tmp_path / "forgotten", [*log, null_as_of(deleted)]) == (None, False)
    late = [*log, Record(KEY, encode_state(revived)), null_as_of(deleted)]
    assert rebuilt(tmp_path / "late", late) == (encode_state(revived), True)
    assert rebuilt(tmp_path / "silent", [*log, Record(KEY, None)]) == (encode_state(deleted), True)


def test_markers_are_noted_with_their_records_time(tmp_path: Path) -> None:
    db = Rdict(str(tmp_path / "states"), options=Options(raw_mode=True))
    upserted, deleted = history("upsert", "delete")
    records = [Record(KEY, encode_state(upserted)), Record(KEY, encode_state(deleted), timestamp=9.5)]
    StateRecovery().apply(db, 0, records)
    assert due_markers(db, 9_500_000, b"", 10) == []
    assert [marker.item for marker in due_markers(db, 9_500_001, b"", 10)] == [KEY]
    db.close()


def test_what_is_no_state_replaces_none() -> None:
    held = encode_state(history("upsert")[0])
    assert newest_of(held, b"not json", None) == held
    assert newest_of(held, b'{"item_id": "a", "origins": {"0": 9}, "upserted": 1}', None) is not None


@given(st.lists(OPS, min_size=1, max_size=6), st.data())
def test_two_records_come_to_their_join(ops: list[str], data: st.DataObject) -> None:
    states = history(*ops)
    left, right = data.draw(st.sampled_from(states)), data.draw(st.sampled_from(states))
    newest = newest_of(encode_state(left), encode_state(right), None)
    assert newest is not None
    assert decode_state(newest) == join(left, right)
