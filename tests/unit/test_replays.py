"""Replays: refused changes get the place they would have had, and nothing that is there already changes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.replaying import ReplayChoice, chosen_rejects
from schemas.changes import CatalogChange, encode_change
from schemas.item_state import ItemState, Origin, Stamp, apply_change, ask_for_pictures, decode_state, reapply_change
from schemas.rejects import Reject, RejectOrigin, decode_reject
from schemas.topics import partition_of
from streams.merge import MergeHandler
from streams.origin import ChangeRecord, origin_header
from streams.replays import REPLAY_HEADER, Replay, replay_of

ITEM, P = "sku", 4
HOME = partition_of(ITEM, P)
CHANGES = st.builds(
    dict,
    op=st.sampled_from(["upsert", "patch", "delete"]),
    images=st.none() | st.sampled_from([(), ("file:///a",), ("file:///b",)]),
    attributes=st.none() | st.dictionaries(st.sampled_from("abc"), st.integers(0, 3), max_size=3),
    explicit=st.booleans(),
    step=st.integers(0, 2),
)


def history(steps: list[dict[str, Any]]) -> list[tuple[CatalogChange, Origin]]:
    """Changes of one item whose versions, where they have one, and times never go down."""
    changes, version, time_us = [], 0, 100
    for offset, step in enumerate(steps):
        time_us += step["step"]
        version += step["step"] if step["explicit"] else 0
        op = step["op"]
        change = CatalogChange(
            op=op,
            item_id=ITEM,
            images=step["images"] if op == "upsert" else None,
            attributes=(step["attributes"] or {}) if op == "patch" else step["attributes"] if op == "upsert" else None,
            version=version if step["explicit"] else None,
            time_us=time_us,
        )
        changes.append((change, Origin(HOME, offset, time_us)))
    return changes


def seen(state: ItemState | None) -> object:
    return None if state is None else (state.live, state.values(), None if state.image is None else state.image.refs)


@given(st.lists(CHANGES, min_size=1, max_size=12), st.data())
def test_a_refused_change_gets_the_place_it_would_have_had(steps: list[dict[str, Any]], data: st.DataObject) -> None:
    explicit = data.draw(st.booleans())
    changes = history([{**step, "explicit": explicit} for step in steps])
    refused = data.draw(st.sets(st.integers(0, len(changes) - 1)))
    whole: ItemState | None = None
    holed: ItemState | None = None
    for offset, (change, origin) in enumerate(changes):
        whole = apply_change(whole, change, origin)
        if offset not in refused:
            holed = apply_change(holed, change, origin)
    for offset in sorted(refused):
        holed = reapply_change(holed, *changes[offset])
    assert seen(holed) == seen(whole)
    for offset in sorted(refused):
        assert reapply_change(holed, *changes[offset]) is holed


def test_a_refused_version_beats_what_came_later_without_one() -> None:
    """Changes without a version took the item's version of then, which the refused one had not raised."""
    upsert, delete = {"op": "upsert", "images": None, "attributes": None}, {"op": "delete"}
    changes = history([{**upsert, "explicit": True, "step": 1}, {**delete, "explicit": False, "step": 1}])
    state = apply_change(None, *changes[1])
    assert reapply_change(state, *changes[0]).live


ANY = st.builds(
    CatalogChange,
    op=st.sampled_from(["upsert", "patch", "delete"]),
    item_id=st.just(ITEM),
    images=st.none() | st.just(("file:///a",)),
    attributes=st.none() | st.dictionaries(st.sampled_from("ab"), st.integers(0, 3), max_size=2),
    version=st.none() | st.integers(-3, 5),
    time_us=st.none() | st.integers(0, 50),
)


@given(st.lists(ANY, max_size=12))
def test_replaying_a_whole_log_changes_no_state(batch: list[CatalogChange]) -> None:
    """Whatever the versions and times: the handler takes the log, then every record of it again, behind its end."""
    handler = MergeHandler(P, lambda pictures: ["store:none" for _ in pictures], 1000)
    held: dict[str, bytes] = {}
    log = [ChangeRecord(ITEM.encode(), encode_change(c), HOME, o, 100 + o) for o, c in enumerate(batch)]
    refused = set()
    for record in log:
        merged = handler.handle(record, held.get)
        if merged.write is None:
            refused.add(record.offset)
        else:
            held[ITEM] = merged.write.value
    before = dict(held)
    for number, record in enumerate(log):
        headers = [origin_header(Origin(HOME, record.offset, record.time_us)), Replay("range").header()]
        again = handler.handle(record._replace(offset=len(log) + number, time_us=999, headers=headers), held.get)
        assert (again.write is None) == (record.offset in refused)
        assert again.forward is None
    assert held == before


def test_an_old_change_without_a_version_does_not_overtake() -> None:
    """Taken as new, the patch would get version 7 and win over the upsert of version 5, which came after it."""
    refused = CatalogChange(op="patch", item_id=ITEM, attributes={"price": 1}, time_us=50)
    state = apply_change(
        None,
        CatalogChange(op="upsert", item_id=ITEM, attributes={"price": 5}, version=5, time_us=100),
        Origin(HOME, 1, 0),
    )
    state = apply_change(
        state,
        CatalogChange(op="patch", item_id=ITEM, attributes={"stock": 1}, version=7, time_us=200),
        Origin(HOME, 2, 0),
    )
    assert reapply_change(state, refused, Origin(HOME, 0, 50)).values() == {"price": 5, "stock": 1}
    assert apply_change(state, refused, Origin(HOME, 3, 50)).values() == {"price": 1, "stock": 1}


def test_pictures_are_asked_for_again_only_while_they_are_the_items() -> None:
    upsert = CatalogChange(op="upsert", item_id=ITEM, images=("file:///a",), attributes={"a": 1}, version=3, time_us=10)
    state = apply_change(None, upsert, Origin(HOME, 1, 10))
    asked = CatalogChange(op="upsert", item_id=ITEM, images=("file:///a",), version=3, time_us=10)
    again = ask_for_pictures(state, asked, Origin(HOME, 8, 999))
    assert again.image is not None
    assert again.image.at == Stamp(3, 10, 8, 1)
    assert (again.upserted, again.attributes) == (state.upserted, state.attributes)
    assert ask_for_pictures(again, asked, Origin(HOME, 8, 999)) is again
    deleted = apply_change(state, CatalogChange(op="delete", item_id=ITEM, version=3, time_us=10), Origin(HOME, 2, 10))
    assert not ask_for_pictures(deleted, asked, Origin(HOME, 8, 999)).live
    replaced = apply_change(
        state,
        CatalogChange(op="upsert", item_id=ITEM, images=("file:///b",), version=3, time_us=10),
        Origin(HOME, 2, 10),
    )
    assert ask_for_pictures(replaced, asked, Origin(HOME, 8, 999)).image == replaced.image
    assert ask_for_pictures(None, asked, Origin(HOME, 8, 999)).live is False


def test_a_replay_is_sent_on_once_and_refused_with_its_own_origin() -> None:
    handler = MergeHandler(P, lambda pictures: ["store:none" for _ in pictures], 1000)
    away = (HOME + 1) % P
    headers = [origin_header(Origin(away, 3, 5)), Replay("rejected", 2).header()]
    value = encode_change(CatalogChange(op="patch", item_id=ITEM, attributes={"a": 1}))
    sent_on = handler.handle(ChangeRecord(ITEM.encode(), value, away, 90, 999, headers), lambda _: None).forward
    assert sent_on is not None
    arrived = ChangeRecord(ITEM.encode(), value, HOME, 91, 999, sent_on.headers)
    write = handler.handle(arrived, lambda _: None).write
    assert write is not None
    assert decode_state(write.value).attributes["a"].at == Stamp(0, 5, 3, 0)
    lost = handler.handle(arrived._replace(partition=away), lambda _: None)
    assert lost.outcome == "rejected"
    broken = handler.handle(ChangeRecord(b"k", b"{", away, 92, 999, headers), lambda _: None)
    row = decode_reject(broken.rejects[0].value)
    assert (row.origin.partition, row.origin.offset, row.attempt) == (away, 3, 2)


@pytest.mark.parametrize(
    "value", [b"", b"range", b"range:", b"range:x", b"other:1", b"\xff:1", "range:1", b"range:\xc2\xb2"]
)
def test_a_header_of_someone_else_is_no_replay(value: object) -> None:
    assert replay_of([(REPLAY_HEADER, value)]) is None


@given(st.sampled_from(["range", "rejected", "pictures"]), st.integers(0, 10**8), st.booleans())
def test_headers_come_back(kind: Any, attempt: int, forwarded: bool) -> None:
    replay = Replay(kind, attempt, forwarded)
    assert replay_of([replay.header()]) == replay


def test_rejects_are_chosen_once_by_time_and_item() -> None:
    def row(offset: int, attempt: int = 1, item: str | None = ITEM, time_us: int = 10) -> Reject:
        origin = RejectOrigin("catalog.changes", 1, offset, time_us)
        return Reject(reason="bad_json", message="", origin=origin, item_id=item, attempt=attempt, original="{")

    rows = [row(5, 2), row(5, 1), row(3), row(4, item="other"), row(6, time_us=99)]
    chosen = chosen_rejects(rows, ReplayChoice(item_id=ITEM, since_us=10, until_us=99))
    assert [(r.origin.offset, r.attempt) for r in chosen] == [(3, 1), (5, 2)]
