"""Changes as producers really send them: what is taken, and the reason where it is not."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.changes import CatalogChange, decode_change, encode_change
from schemas.errors import ChangeRejected

REFUSED = {
    "not JSON": (b"{not json", "bad_json"),
    "empty": (b"", "bad_json"),
    "not UTF-8": (b'{"op":"delete","item_id":"\xff"}', "bad_json"),
    "an array": (b"[]", "bad_schema"),
    "no id": (b'{"op":"upsert","image_url":"file:///a"}', "bad_id"),
    "an empty id": (b'{"op":"delete","item_id":""}', "bad_id"),
    "a number for an id": (b'{"op":"delete","item_id":5}', "bad_id"),
    "an id of 10 kB": (b'{"op":"delete","item_id":"' + b"x" * 10_000 + b'"}', "bad_id"),
    "no op": (b'{"item_id":"a"}', "bad_schema"),
    "an unknown op": (b'{"op":"merge","item_id":"a"}', "bad_schema"),
    "attributes as a list": (b'{"op":"upsert","item_id":"a","attributes":[1]}', "bad_schema"),
    "a text for a version": (b'{"op":"upsert","item_id":"a","version":"1"}', "bad_schema"),
    "a version beyond 64 bits": (b'{"op":"upsert","item_id":"a","version":9223372036854775808}', "bad_schema"),
    "a time without a zone": (b'{"op":"upsert","item_id":"a","event_time":"2026-11-21T09:00:00"}', "bad_schema"),
    "no time at all": (b'{"op":"upsert","item_id":"a","event_time":"yesterday"}', "bad_schema"),
    "a patch with a picture": (b'{"op":"patch","item_id":"a","image_url":"x","attributes":{}}', "bad_schema"),
    "a patch with nothing": (b'{"op":"patch","item_id":"a"}', "bad_schema"),
    "nine pictures": (b'{"op":"upsert","item_id":"a","image_urls":["' + b'","'.join([b"x"] * 9) + b'"]}', "bad_schema"),
    "huge attributes": (b'{"op":"upsert","item_id":"a","attributes":{"t":"' + b"x" * 70_000 + b'"}}', "bad_schema"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    value, reason = REFUSED[name]
    with pytest.raises(ChangeRejected) as refusal:
        decode_change(value, b"a")
    assert refusal.value.code == reason


def test_null_value_deletes_the_item_its_key_names() -> None:
    assert decode_change(None, b"sku-1") == CatalogChange(op="delete", item_id="sku-1")


@pytest.mark.parametrize("key", [None, b"", b"\xff", b"x" * 513])
def test_null_value_under_an_unusable_key_is_refused(key: bytes | None) -> None:
    with pytest.raises(ChangeRejected, match=r"key|item_id"):
        decode_change(None, key)


def test_event_time_is_microseconds() -> None:
    change = decode_change(b'{"op":"delete","item_id":"a","event_time":"2026-11-21T10:00:00.000001+01:00"}', None)
    assert change.time_us == 1_795_251_600_000_001


def test_fields_of_the_producers_own_are_ignored() -> None:
    assert decode_change(b'{"op":"delete","item_id":"a","trace":{"id":1}}', None).op == "delete"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4), st.none() | st.integers(-(2**63), 2**63 - 1))
def test_what_we_send_is_what_we_read(attributes: dict[str, object], version: int | None) -> None:
    change = CatalogChange(
        op="upsert", item_id="a", images=("file:///a",), attributes=attributes, version=version, time_us=5
    )
    assert decode_change(encode_change(change), None) == change


@given(st.binary(max_size=60) | JSON.map(msgspec.json.encode))
def test_no_bytes_raise_anything_but_a_refusal(value: bytes) -> None:
    try:
        decode_change(value, b"k")
    except ChangeRejected as refusal:
        assert refusal.code in ("bad_json", "bad_schema", "bad_id")
