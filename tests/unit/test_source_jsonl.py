"""JSON lines: rows of tables, and changes as producers send them."""

import json
from pathlib import Path
from typing import Any

import pytest

from ops.catalog_sources import BadRow, CatalogSource, open_source
from schemas.changes import CatalogChange, encode_change


def lines(folder: Path, *rows: Any) -> CatalogSource:
    path = folder / "shop.jsonl"
    encoded = [row if isinstance(row, bytes) else json.dumps(row, ensure_ascii=False).encode() for row in rows]
    path.write_bytes(b"\n".join(encoded))
    return open_source(path)


def test_rows_of_a_table_keep_their_types(tmp_path: Path) -> None:
    row = {"id": 12, "image": "a b.jpg", "price": 5, "code": "007", "ok": True, "tags": ["x", "ü"], "none": None}
    assert list(lines(tmp_path, row)) == [
        CatalogChange(
            op="upsert",
            item_id="12",
            images=((tmp_path / "a b.jpg").as_uri(),),
            attributes={"price": 5, "code": "007", "ok": True, "tags": ["x", "ü"]},
        )
    ]


def test_attributes_object_holds_them_all(tmp_path: Path) -> None:
    (change,) = lines(tmp_path, {"sku": "a", "path": "/x.jpg", "note": 1, "attributes": {"price": 5}})
    assert isinstance(change, CatalogChange)
    assert change.attributes == {"price": 5}


CHANGES = (
    CatalogChange(op="upsert", item_id="a", images=("https://x/y.jpg",), attributes={"b": None}, version=5, time_us=7),
    CatalogChange(op="upsert", item_id="a", images=("file:///a", "s3://b/c")),
    CatalogChange(op="upsert", item_id="a", images=()),
    CatalogChange(op="upsert", item_id="a", attributes={}),
    CatalogChange(op="patch", item_id="a", attributes={"in_stock": False, "note": None}),
    CatalogChange(op="delete", item_id="a", version=9),
)


@pytest.mark.parametrize("change", CHANGES)
def test_changes_are_taken_as_they_are(tmp_path: Path, change: CatalogChange) -> None:
    assert list(lines(tmp_path, encode_change(change))) == [change]


def test_producers_own_fields_are_ignored_in_changes(tmp_path: Path) -> None:
    row = {"op": "upsert", "item_id": "a", "image_url": "x.jpg", "trace": {"id": 1}}
    url = (tmp_path / "x.jpg").as_uri()
    assert list(lines(tmp_path, row)) == [CatalogChange(op="upsert", item_id="a", images=(url,))]


def test_table_rows_may_have_an_operation_too(tmp_path: Path) -> None:
    rows = [
        {"op": "upsert", "item_id": "a", "image": "x.jpg", "color": "red"},
        {"op": "patch", "sku": "a", "color": "blue"},
    ]
    assert list(lines(tmp_path, *rows)) == [
        CatalogChange(op="upsert", item_id="a", images=((tmp_path / "x.jpg").as_uri(),), attributes={"color": "red"}),
        CatalogChange(op="patch", item_id="a", attributes={"color": "blue"}),
    ]


BAD: dict[str, tuple[Any, str]] = {
    "not JSON": (b"{oops", "not JSON"),
    "not UTF-8": (b'{"id": "\xff", "image": "a"}', "not JSON"),
    "a list": ([1], "expected a JSON object"),
    "deep nesting": (b"[" * 100_000, "not JSON"),
    "no id": ({"image": "a.jpg"}, "item_id, id, sku is needed; found: image"),
    "no picture": ({"id": "a", "price": 1}, "is needed, or op; found: id, price"),
    "an empty picture": ({"id": "a", "image": ""}, "`image` is empty"),
    "no pictures": ({"id": "a", "image_urls": []}, "`image_urls` is empty"),
    "a picture that is a number": ({"id": "a", "image": 5}, "a picture is a path or a URL"),
    "an id that is true": ({"id": True, "image": "a"}, "item_id must be a non-empty string"),
    "attributes in a list": ({"id": "a", "image": "a", "attributes": []}, "must be a JSON object"),
    "half a version": ({"id": "a", "image": "a", "version": 1.5}, "`version` must be a whole number"),
    "a time without a zone": ({"id": "a", "image": "a", "event_time": "2026-11-21T09:00:00"}, "needs a time zone"),
    "a patch with a picture": ({"op": "patch", "item_id": "a", "image_url": "x"}, "changes attributes only"),
    "an unknown operation": ({"op": "merge", "item_id": "a", "attributes": {}}, "upsert|Invalid enum"),
    "both ways of pictures": ({"op": "upsert", "item_id": "a", "image_url": "x", "image_urls": ["y"]}, "not both"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_row_is_named_and_the_next_one_read(tmp_path: Path, name: str) -> None:
    row, message = BAD[name]
    good = {"id": "good", "image": "a.jpg"}
    bad, last = lines(tmp_path, row, good)
    assert isinstance(bad, BadRow)
    assert bad.row == 1
    assert any(part in bad.message for part in message.split("|")), bad.message
    assert isinstance(last, CatalogChange)


def test_empty_lines_and_a_bom_are_no_rows(tmp_path: Path) -> None:
    source = lines(tmp_path, b"\xef\xbb\xbf", {"id": "a", "image": "a"}, b"  ", b"\r", {"id": "b", "image": "b"}, b"")
    rows = list(source.rows())
    assert source.count() == 2
    assert [number for number, _ in rows] == [1, 2]
    assert list(source.rows(after=1)) == rows[1:]
    assert [said.item_id for said in source if isinstance(said, CatalogChange)] == ["a", "b"]
