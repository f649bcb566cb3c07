"""What the merge handler makes of one record: forwards, pictures that came inside, and everything that is refused."""

import base64
import json
from collections.abc import Sequence

import msgspec
import pytest

from schemas.item_state import ItemState, Stamp, decode_state, encode_state
from schemas.rejects import decode_reject
from schemas.topics import partition_of
from streams.merge import MAX_STATE_BYTES, MergeHandler
from streams.origin import ORIGIN_HEADER, ChangeRecord, Origin, forwarded_origin, origin_header

P = 12
ITEM = "sku-1"
HOME = partition_of(ITEM, P)
AWAY = (HOME + 1) % P
PICTURE = b"a picture's bytes"
DATA_URL = f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"


class Shelf:
    """An image store that remembers what it was given."""

    def __init__(self) -> None:
        self.pictures: list[bytes] = []

    def put_all(self, pictures: Sequence[bytes]) -> list[str]:
        first = len(self.pictures) + 1
        self.pictures += pictures
        return [f"store:{number}" for number in range(first, first + len(pictures))]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def handler(shelf: Shelf) -> MergeHandler:
    return MergeHandler(P, shelf.put_all, 1000)


def nothing(_: str) -> None:
    return None


def record(
    value: object, partition: int = HOME, key: bytes | None = ITEM.encode(), headers: object = None
) -> ChangeRecord:
    raw = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
    return ChangeRecord(key, raw, partition, 7, 1_000_000, headers)  # type: ignore[arg-type]


def test_a_change_in_its_partition_becomes_a_state(handler: MergeHandler) -> None:
    merged = handler.handle(record({"op": "upsert", "item_id": ITEM, "attributes": {"price": 1}}), nothing)
    assert merged.outcome == "applied"
    assert merged.write is not None
    state = decode_state(merged.write.value)
    assert (state.values(), state.upserted, state.origins) == ({"price": 1}, Stamp(0, 1_000_000, 7, 1), {HOME: 7})


def test_a_replay_writes_the_very_same_state_again(handler: MergeHandler) -> None:
    change = record({"op": "patch", "item_id": ITEM, "attributes": {"a": 1}})
    first = handler.handle(change, nothing)
    assert first.write is not None
    again = handler.handle(change, lambda _: first.write.value if first.write else None)
    assert again.outcome == "replayed"
    assert again.write is not None
    assert again.write.value == first.write.value


def test_a_change_elsewhere_is_sent_on_with_its_origin_and_applied_with_it(handler: MergeHandler) -> None:
    merged = handler.handle(record({"op": "delete", "item_id": ITEM, "extra": 1}, AWAY), nothing)
    assert merged.outcome == "forwarded"
    assert merged.forward is not None
    assert merged.forward.partition == HOME
    assert merged.forward.value == b'{"op": "delete", "item_id": "sku-1", "extra": 1}'
    arrived = record(merged.forward.value, headers=[origin_header(merged.forward.origin)])._replace(
        offset=99, time_us=5
    )
    applied = handler.handle(arrived, nothing)
    assert applied.write is not None
    state = decode_state(applied.write.value)
    assert (state.deleted, state.origins) == (Stamp(0, 1_000_000, 7, 2), {AWAY: 7})


def test_a_null_value_elsewhere_is_sent_on_as_one(handler: MergeHandler) -> None:
    merged = handler.handle(record(None, AWAY), nothing)
    assert merged.op == "delete"
    assert merged.forward is not None
    assert merged.forward.value is None
    arrived = record(None, headers=[origin_header(merged.forward.origin)])
    applied = handler.handle(arrived, nothing)
    assert applied.write is not None
    assert not decode_state(applied.write.value).live


def test_another_key_in_the_right_partition_is_applied_where_it_is(handler: MergeHandler) -> None:
    merged = handler.handle(record({"op": "delete", "item_id": ITEM}, key=b"another"), nothing)
    assert merged.write is not None
    assert merged.write.item_id == ITEM


def test_a_forwarded_change_in_the_wrong_place_is_refused_not_sent_on_for_ever(handler: MergeHandler) -> None:
    headers = [origin_header(Origin(3, 4, 5))]
    merged = handler.handle(record({"op": "delete", "item_id": ITEM}, AWAY, headers=headers), nothing)
    assert merged.outcome == "rejected"
    row = decode_reject(merged.rejects[0].value)
    assert (row.reason, row.origin.partition, row.origin.offset) == ("bad_schema", 3, 4)


@pytest.mark.parametrize("value", [b"", b"1:2", b"1:2:3:4", b"a:b:c", b"-1:0:0", b"\xff", "1:2:3", None])
def test_a_header_of_someone_else_is_no_origin(value: object) -> None:
    assert forwarded_origin([(ORIGIN_HEADER, value)]) is None
    assert forwarded_origin({ORIGIN_HEADER: value}) is None


def test_pictures_inside_a_change_are_stored_and_named(handler: MergeHandler, shelf: Shelf) -> None:
    change = {"op": "upsert", "item_id": ITEM, "image_urls": ["file:///a.png", DATA_URL]}
    merged = handler.handle(record(change), nothing)
    assert merged.write is not None
    image = decode_state(merged.write.value).image
    assert image is not None
    assert image.refs == ("file:///a.png", "store:1")
    assert shelf.pictures == [PICTURE]


def test_pictures_are_taken_out_before_a_change_is_sent_on(handler: MergeHandler, shelf: Shelf) -> None:
    change = {"op": "upsert", "item_id": ITEM, "image_url": DATA_URL, "attributes": {"a": 1}, "version": 3}
    merged = handler.handle(record(change, AWAY), nothing)
    assert merged.forward is not None
    assert merged.forward.value is not None
    assert json.loads(merged.forward.value) == {**change, "image_url": "store:1"}


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("data:image/png;base64,%%%", "image_corrupt"),
        ("data:text/html;base64,AAAA", "image_unsupported"),
        (f"data:image/png;base64,{base64.b64encode(bytes(2000)).decode()}", "image_too_large"),
    ],
)
def test_a_broken_picture_is_refused_and_the_rest_of_its_change_holds(
    handler: MergeHandler, url: str, reason: str
) -> None:
    change = {"op": "upsert", "item_id": ITEM, "image_url": url, "attributes": {"price": 2}}
    before = encode_state(ItemState(item_id=ITEM))
    merged = handler.handle(record(change), lambda _: before)
    assert merged.write is not None
    state = decode_state(merged.write.value)
    assert (state.live, state.values(), state.image) == (True, {"price": 2}, None)
    row = merged.rejects[0]
    assert (row.reason, row.key, row.partition, row.headers) == (
        reason,
        ITEM.encode(),
        HOME,
        [("reason", reason.encode())],
    )
    assert decode_reject(row.value).original_bytes() == json.dumps(change).encode()


def test_a_broken_picture_leaves_the_old_one(handler: MergeHandler) -> None:
    first = handler.handle(record({"op": "upsert", "item_id": ITEM, "image_url": "file:///old.png"}), nothing)
    assert first.write is not None
    held = first.write.value
    second = record({"op": "upsert", "item_id": ITEM, "image_url": "data:image/png;base64,?"})._replace(offset=8)
    merged = handler.handle(second, lambda _: held)
    assert merged.write is not None
    image = decode_state(merged.write.value).image
    assert image is not None
    assert image.refs == ("file:///old.png",)


@pytest.mark.parametrize(
    ("value", "key", "reason"),
    [
        (b"not json", b"k", "bad_json"),
        (b"\xff\xfe", b"\xff", "bad_json"),
        ({"op": "upsert"}, b"k", "bad_id"),
        ({"op": "fly", "item_id": "a"}, b"k", "bad_schema"),
        ({"op": "upsert", "item_id": "a" * 10_000}, b"k", "bad_id"),
        (None, None, "bad_id"),
    ],
)
def test_what_cannot_be_understood_becomes_a_row(
    handler: MergeHandler, value: object, key: bytes | None, reason: str
) -> None:
    change = record(value, AWAY, key)
    merged = handler.handle(change, nothing)
    assert (merged.write, merged.forward, merged.outcome) == (None, None, "rejected")
    row = decode_reject(merged.rejects[0].value)
    assert (row.reason, row.original_bytes()) == (reason, change.value)
    assert (row.origin.topic, row.origin.partition, row.origin.offset) == ("catalog.changes", AWAY, 7)
    assert row.item_id == ("k" if key == b"k" else None)


def test_a_state_that_grows_too_large_is_refused(handler: MergeHandler) -> None:
    held: bytes | None = None
    for n in range(20):
        change = {"op": "patch", "item_id": ITEM, "attributes": {f"key{n}": "x" * 60_000}}
        merged = handler.handle(record(change)._replace(offset=n), lambda _: held)  # noqa: B023
        if merged.write is None:
            break
        held = merged.write.value
        assert len(held) <= MAX_STATE_BYTES
    assert merged.outcome == "rejected"
    assert decode_reject(merged.rejects[0].value).reason == "bad_schema"


def test_a_row_without_room_for_its_original_says_so(handler: MergeHandler) -> None:
    merged = handler.handle(record(b"\xff" * 2_000_000), nothing)
    row = msgspec.json.decode(merged.rejects[0].value)
    assert len(merged.rejects[0].value) < 1_000_000
    assert row["details"]["original"] == "left out: 2000000 bytes"
    assert "original" not in row
