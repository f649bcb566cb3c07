"""Debezium's events as connectors write them: what each becomes, and what is refused with which words."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.changes import CatalogChange, decode_change, encode_change
from schemas.debezium import UNAVAILABLE, ChangeDecoder
from schemas.errors import ChangeRejected, SettingsError
from schemas.settings import DebeziumSettings

ROW = {"id": 5, "sku": "A-5", "photo": "https://cdn/5.jpg", "price": 9.5, "size": None, "on_sale": True}
SOURCE = {"connector": "postgresql", "ts_ms": 1_795_251_600_000, "lsn": 24023128, "table": "products"}
PLAIN = DebeziumSettings(item_id="sku", images=("photo",), attributes=("price", "on_sale", "size"))
UPSERT = CatalogChange(
    op="upsert", item_id="A-5", images=("https://cdn/5.jpg",), attributes={"price": 9.5, "on_sale": True}
)


def envelope(op: str, before: Any = None, after: Any = None, **source: Any) -> dict[str, Any]:
    return {"before": before, "after": after, "source": SOURCE | source, "op": op, "ts_ms": 1_795_251_600_500}


def decoded(document: Any, mapping: DebeziumSettings = PLAIN, key: bytes | None = b'{"id":5}') -> CatalogChange:
    return ChangeDecoder(mapping)(None if document is None else json.dumps(document).encode(), key)


def refusal(document: Any, mapping: DebeziumSettings = PLAIN, key: bytes | None = b'{"id":5}') -> ChangeRejected:
    with pytest.raises(ChangeRejected) as refused:
        decoded(document, mapping, key)
    return refused.value


@pytest.mark.parametrize("op", ["c", "r", "u"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_row_becomes_the_whole_item(op: str, wrapped: bool) -> None:
    event = envelope(op, ROW if op == "u" else None, ROW)
    assert decoded({"schema": {"type": "struct", "fields": []}, "payload": event} if wrapped else event) == UPSERT


def test_a_delete_names_its_item_by_the_row_before() -> None:
    assert decoded(envelope("d", ROW)) == CatalogChange(op="delete", item_id="A-5")


@pytest.mark.parametrize(
    "key",
    [b'{"sku":"A-5"}', b'{"schema":{"type":"struct"},"payload":{"sku":"A-5"}}', b'{"id":1,"sku":"A-5"}'],
)
@pytest.mark.parametrize("value", [None, {"schema": None, "payload": None}, envelope("d")])
def test_a_tombstone_deletes_the_item_its_key_names(key: bytes, value: Any) -> None:
    assert decoded(value, PLAIN, key) == CatalogChange(op="delete", item_id="A-5")


def test_a_plain_tombstone_stays_one() -> None:
    assert decoded(None, PLAIN, b"sku-1") == CatalogChange(op="delete", item_id="sku-1")
    assert decoded(None, DebeziumSettings(), b'{"id":5}').item_id == '{"id":5}'


def test_a_tombstone_whose_key_lacks_the_id_is_refused() -> None:
    refused = refusal(None, PLAIN, b'{"id":5}')
    assert refused.code == "bad_id"
    assert "message.key.columns" in refused.message


def test_numbers_are_ids_too_and_every_other_column_an_attribute() -> None:
    change = decoded(envelope("c", None, ROW), DebeziumSettings(item_id="id", images=("photo",)))
    assert (change.item_id, change.attributes) == ("5", {"sku": "A-5", "price": 9.5, "on_sale": True})


def test_attributes_are_chosen_and_renamed() -> None:
    mapping = DebeziumSettings(item_id="sku", attributes=("price:price_eur", "id"))
    change = decoded(envelope("c", None, ROW), mapping)
    assert (change.images, change.attributes) == (None, {"price_eur": 9.5, "id": 5})
    assert decoded(envelope("c", None, ROW), DebeziumSettings(item_id="sku", attributes=())).attributes is None


@pytest.mark.parametrize(
    ("cells", "images"),
    [
        ({"photo": None, "more": None}, ()),
        ({"photo": "a.jpg", "more": None}, ("https://cdn/a.jpg",)),
        (
            {"photo": "a.jpg", "more": '["b.jpg", "s3://x/c.jpg"]'},
            ("https://cdn/a.jpg", "https://cdn/b.jpg", "s3://x/c.jpg"),
        ),
        ({"photo": "", "more": ["data:image/png;base64,AA=="]}, ("data:image/png;base64,AA==",)),
        ({"photo": "a.jpg", "more": UNAVAILABLE}, None),
    ],
)
def test_pictures(cells: dict[str, Any], images: tuple[str, ...] | None) -> None:
    mapping = DebeziumSettings(item_id="sku", images=("photo", "more"), image_base="https://cdn/")
    assert decoded(envelope("c", None, ROW | cells), mapping).images == images


@pytest.mark.parametrize(
    ("path", "source", "version"),
    [
        ("source.lsn", {}, 24023128),
        ("source.ts_ms", {}, 1_795_251_600_000),
        ("source.scn", {"scn": "8462912"}, 8462912),
        ("source.pos", {"file": "mysql-bin.000003", "pos": 154}, (3 << 40) + 154),
        ("source.pos", {"pos": 154}, 154),
        ("id", {}, 5),
    ],
)
def test_versions(path: str, source: dict[str, Any], version: int) -> None:
    mapping = DebeziumSettings(item_id="sku", version=path)
    assert decoded(envelope("u", None, ROW, **source), mapping).version == version
    assert decoded(envelope("d", ROW, **source), mapping).version == version


@pytest.mark.parametrize(
    "moment",
    ["2026-11-21T09:00:00Z", 1_795_251_600, 1_795_251_600_000, 1_795_251_600_000_000, 1_795_251_600_000_000_000],
)
def test_times_of_any_unit(moment: object) -> None:
    mapping = DebeziumSettings(item_id="sku", version="source.lsn", event_time="changed_at")
    assert decoded(envelope("c", None, ROW | {"changed_at": moment}), mapping).time_us == 1_795_251_600_000_000


def test_a_time_without_a_version_is_refused_at_the_start() -> None:
    with pytest.raises(SettingsError, match="LOOKALIVE_DEBEZIUM__VERSION"):
        ChangeDecoder(DebeziumSettings(item_id="sku", event_time="source.ts_ms"))


@pytest.mark.parametrize("value", [None, False, 0, "", "f", "0", "2026-11-21T09:00:00Z", True, 1, "t"])
def test_soft_deletes(value: object) -> None:
    mapping = DebeziumSettings(item_id="sku", images=("photo",), deleted="gone")
    change = decoded(envelope("u", None, ROW | {"gone": value}), mapping)
    assert change.op == ("delete" if value in ("2026-11-21T09:00:00Z", True, 1, "t") else "upsert")


@pytest.mark.parametrize(
    ("metadata", "op"),
    [
        ({"__deleted": "false"}, "upsert"),
        ({"__deleted": "true"}, "delete"),
        ({"__op": "d"}, "delete"),
        ({"__op": "u"}, "upsert"),
    ],
)
def test_unwrapped_rows(metadata: dict[str, str], op: str) -> None:
    mapping = DebeziumSettings(item_id="sku", images=("photo",), version="source.lsn")
    change = decoded(ROW | metadata | {"__source_lsn": 77}, mapping)
    assert (change.op, change.item_id, change.version) == (op, "A-5", 77)
    if op == "upsert":
        assert change.attributes == {"id": 5, "price": 9.5, "on_sale": True}


def test_decimals_and_json_are_read_by_their_schema() -> None:
    number = base64.b64encode((4990).to_bytes(2, "big", signed=True)).decode()
    negative = base64.b64encode((-5).to_bytes(1, "big", signed=True)).decode()
    fields = [
        {"field": "price", "name": "org.apache.kafka.connect.data.Decimal", "parameters": {"scale": "2"}},
        {"field": "weight", "name": "io.debezium.data.VariableScaleDecimal"},
        {"field": "tags", "name": "io.debezium.data.Json"},
    ]
    schema = {"type": "struct", "fields": [{"field": "after", "type": "struct", "fields": fields}]}
    row = {"sku": "a", "price": number, "weight": {"scale": 1, "value": negative}, "tags": '["x", 1]'}
    change = decoded({"schema": schema, "payload": envelope("c", None, row)}, DebeziumSettings(item_id="sku"))
    assert change.attributes == {"price": 49.9, "weight": -0.5, "tags": ["x", 1]}
    broken = {"schema": schema, "payload": envelope("c", None, row | {"price": "not base64!"})}
    assert "`price` is no org.apache.kafka" in refusal(broken, DebeziumSettings(item_id="sku")).message


REFUSED: dict[str, tuple[Any, str, str]] = {
    "a truncate": (envelope("t"), "bad_schema", "truncate"),
    "a message": (envelope("m"), "bad_schema", "logical decoding"),
    "an unknown op": (envelope("x", None, ROW), "bad_schema", "one of c, u, r and d"),
    "an op that is no text": (envelope(["c"], None, ROW), "bad_schema", "one of c, u, r and d"),  # type: ignore[arg-type]
    "no row after": (envelope("c"), "bad_schema", "`after` must hold"),
    "a row that is none": (envelope("c", None, [1]), "bad_schema", "`after` must be an object"),
    "a payload that is none": ({"schema": {}, "payload": 5}, "bad_schema", "`payload` must be an object"),
    "a delete without the id": (envelope("d", {"id": 5, "sku": None}), "bad_id", "REPLICA IDENTITY FULL"),
    "no column of the id": (envelope("c", None, {"id": 5}), "bad_id", "has the columns id"),
    "no column of the picture": (envelope("c", None, {"sku": "a"}), "bad_schema", "no column `photo`"),
    "an id of a truth value": (envelope("c", None, ROW | {"sku": True}), "bad_id", "holds True there"),
    "an id that moves": (envelope("u", ROW | {"sku": "B"}, ROW), "bad_schema", "message.key.columns"),
    "an attribute left out": (envelope("u", None, ROW | {"price": UNAVAILABLE}), "bad_schema", "REPLICA IDENTITY"),
    "a picture that is a number": (envelope("c", None, ROW | {"photo": 5}), "bad_schema", "must hold pictures"),
    "a picture list that is none": (
        envelope("c", None, ROW | {"photo": "[x"}),
        "bad_schema",
        "begins like a JSON list",
    ),
    "nine pictures": (envelope("c", None, ROW | {"photo": ["x"] * 9}), "bad_schema", "at most 8 pictures"),
    "an id of 10 kB": (envelope("c", None, ROW | {"sku": "x" * 10_000}), "bad_id", "512 bytes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    document, code, words = REFUSED[name]
    refused = refusal(document)
    assert (refused.code, words in refused.message) == (code, True), refused.message


def test_a_version_that_is_none_is_refused() -> None:
    for path, row in (
        ("source.scn", ROW),
        ("rev", ROW | {"rev": None}),
        ("rev", ROW | {"rev": 1.5}),
        ("rev", ROW | {"rev": "x"}),
    ):
        assert f"`{path}`" in refusal(envelope("c", None, row), DebeziumSettings(item_id="sku", version=path)).message


def test_without_a_mapping_an_event_is_refused_with_what_to_set() -> None:
    assert "LOOKALIVE_DEBEZIUM__ITEM_ID" in refusal(envelope("c", None, ROW), DebeziumSettings()).message


def test_what_is_neither_keeps_its_own_refusal() -> None:
    assert "does not fit its schema" in refusal({"item_id": "a", "op": "merge"}).message


@given(st.binary(max_size=40), st.none() | st.binary(max_size=20))
def test_no_bytes_raise_anything_but_a_refusal(value: bytes, key: bytes | None) -> None:
    for one in (value, None):
        try:
            ChangeDecoder(PLAIN)(one, key)
        except ChangeRejected as refused:
            assert refused.code in ("bad_json", "bad_schema", "bad_id")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["sku", "photo", "id", "x"]), inner),
    max_leaves=6,
)
EVENTS = st.fixed_dictionaries(
    {"op": st.sampled_from("curdtm") | JSON},
    optional={"before": JSON, "after": JSON, "source": JSON, "schema": JSON, "payload": JSON, "__deleted": JSON},
)


@given(EVENTS, st.sampled_from(["source.lsn", "id", ""]))
def test_no_event_raises_anything_but_a_refusal(event: dict[str, Any], version: str) -> None:
    try:
        decoded(event, DebeziumSettings(item_id="sku", images=("photo",), version=version))
    except ChangeRejected as refused:
        assert refused.code in ("bad_json", "bad_schema", "bad_id")


@given(
    st.builds(
        CatalogChange,
        op=st.just("delete"),
        item_id=st.text(min_size=1, alphabet="abc{}"),
        version=st.none() | st.integers(-9, 9),
    )
)
def test_changes_of_the_contract_are_read_as_ever(change: CatalogChange) -> None:
    value = encode_change(change)
    assert ChangeDecoder(PLAIN)(value, None) == decode_change(value, None) == change
