"""What can be said of a table that is loaded: names and types of columns, chosen attributes, and what to prune."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ops.catalog_sources import BadRow, open_source
from ops.load_progress import LoadProgress, ProgressFile
from ops.load_summary import LoadSummary
from ops.pruning import Scope, parse_scope
from ops.remote_source import fetch_source, is_remote
from ops.replay_command import moment_us
from ops.sources.row_shape import RowShape, parse_shape
from schemas.changes import CatalogChange
from schemas.errors import InputError
from schemas.item_state import Origin, apply_change

CSV = "SKU,photo,preis,code,color\nA,a.jpg,9,007,red\nB,b.jpg,x,,blue\n"
SHAPE = parse_shape(["item_id=SKU", "image=photo", "price=preis"], ["price=float", "code=str"], "price,code")


def write(folder: Path, kind: str) -> Path:
    path = folder / f"shop.{kind}"
    if kind == "csv":
        path.write_text(CSV)
    else:
        header, *lines = (line.split(",") for line in CSV.splitlines())
        rows = [dict(zip(header, line, strict=True)) for line in lines]
        if kind == "parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        else:
            import json

            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_columns_are_renamed_typed_and_chosen(tmp_path: Path, kind: str) -> None:
    first, second = open_source(write(tmp_path, kind), SHAPE)
    assert isinstance(first, CatalogChange)
    assert (first.item_id, first.images) == ("A", ((tmp_path / "a.jpg").as_uri(),))
    assert first.attributes == {"price": 9.0, "code": "007"}
    assert isinstance(first.attributes["price"], float)
    assert second == BadRow(2, "`price` must be of type float, not 'x'", 3 if kind == "csv" else None)


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("int", ["7", 7, 7.0, None, ""], [7, 7, 7, None, None]),
        ("bool", ["yes", "F", True, 0], [True, False, True, False]),
        ("json", ['{"a": [1]}', [1]], [{"a": [1]}, [1]]),
        ("str", [7, "x", True, {"a": 1}], ["7", "x", "true", '{"a":1}']),
        ("float", ["1e3", 5], [1000.0, 5.0]),
    ],
)
def test_types(kind: Any, values: list[Any], expected: list[Any]) -> None:
    shape = RowShape(types={"x": kind})
    assert [shape.cast({"x": value})["x"] for value in values] == expected


@pytest.mark.parametrize(
    ("kind", "value"), [("int", "7.5"), ("int", 7.5), ("bool", "maybe"), ("json", "{"), ("float", [])]
)
def test_values_of_another_type_are_said(kind: Any, value: Any) -> None:
    with pytest.raises(InputError, match=f"`x` must be of type {kind}, not "):
        RowShape(types={"x": kind}).cast({"x": value})


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((["item_id=ID"], [], None), "no column ID; found: SKU, photo"),
        ((["color=SKU"], [], None), "more than one column would be color"),
        ((["item_id=SKU", "image=photo"], [], "size"), "no column size; found: preis, code, color"),
        (([], ["price=number"], None), "a type is one of str, int"),
        ((["item_id"], [], None), "--column takes name=value"),
    ],
)
def test_what_does_not_fit_the_table_is_said(tmp_path: Path, shape: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        open_source(write(tmp_path, "csv"), parse_shape(*shape))


def test_relative_pictures_of_a_remote_table_lie_beside_it(tmp_path: Path) -> None:
    shape = RowShape(names=SHAPE.names, base="s3://bucket/shop")
    first, _ = open_source(write(tmp_path, "csv"), shape)
    assert isinstance(first, CatalogChange)
    assert first.images == ("s3://bucket/shop/a.jpg",)


def test_a_remote_source_is_copied_and_stays_the_same_file_while_unchanged(tmp_path: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/shop/items.csv", CSV.encode())
    path, base = fetch_source("memory://shop/items.csv", tmp_path)
    before = open_source(path, SHAPE).fingerprint()
    assert (base, path.read_text()) == ("memory://shop", CSV)
    assert open_source(fetch_source("memory://shop/items.csv", tmp_path).path, SHAPE).fingerprint() == before
    memory.pipe("/shop/items.csv", (CSV + "C,c.jpg,1,1,red\n").encode())
    assert open_source(fetch_source("memory://shop/items.csv", tmp_path).path, SHAPE).fingerprint() != before
    for url in ("memory://shop/none.csv", "nosuch://x/y.csv", "memory://shop/"):
        with pytest.raises(InputError, match=r"memory|nosuch"):
            fetch_source(url, tmp_path)


@pytest.mark.parametrize(
    ("source", "remote"), [("s3://a/b", True), ("https://x/y.csv", True), ("a/b.csv", False), ("C://x", False)]
)
def test_which_sources_are_remote(source: str, remote: bool) -> None:
    assert is_remote(source) is remote


def test_a_folders_fingerprint_follows_its_names(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    before = open_source(tmp_path).fingerprint()
    assert open_source(tmp_path).fingerprint() == before
    (tmp_path / "b.jpg").touch()
    assert open_source(tmp_path).fingerprint() != before


def test_progress_is_of_one_load_and_ends_with_it(tmp_path: Path) -> None:
    file = ProgressFile(tmp_path, ["a.csv", "1", "log"])
    assert file.read() is None
    progress = LoadProgress(source="a.csv", started_us=5, row=7, sent=6, bad_rows=1, bad=["row 2: no"])
    file.write(progress)
    assert ProgressFile(tmp_path, ["a.csv", "1", "log"]).read() == progress
    assert ProgressFile(tmp_path, ["a.csv", "2", "log"]).read() is None
    progress.done = True
    file.write(progress)
    assert file.read() is None
    file.path.write_bytes(b"{torn")
    assert file.read() is None


@pytest.mark.parametrize(
    ("text", "held"),
    [(None, "abc"), ("id:a", "a"), ("kind=mug", "ab"), ("n=1", "b"), ("n=true", "c"), ("kind=none", "")],
)
def test_scopes(text: str | None, held: str) -> None:
    items: dict[str, dict[str, Any]] = {"a": {"kind": "mug"}, "b": {"kind": "mug", "n": 1}, "c": {"n": True}}
    states = {
        item_id: apply_change(None, CatalogChange(op="upsert", item_id=item_id, attributes=a), Origin(0, 0, 0))
        for item_id, a in items.items()
    }
    scope = parse_scope(text)
    assert "".join(item_id for item_id, state in states.items() if scope.holds(state)) == held


@pytest.mark.parametrize("text", ["", "id:", "=x", "mug"])
def test_scopes_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="--prune-scope"):
        parse_scope(text)
    assert parse_scope("id:x") == Scope(id_prefix="x")


def test_moments() -> None:
    assert moment_us("--since", "1970-01-01T00:00:01Z") == 1_000_000
    assert moment_us("--since", "1h") - moment_us("--since", "2h") == pytest.approx(3.6e9, abs=5e6)
    with pytest.raises(InputError, match="--until takes a time"):
        moment_us("--until", "yesterday")


def test_one_and_many_are_counted_in_words() -> None:
    assert LoadSummary(sent=1, seconds=1, bad_rows=1, pruned=1).sentence() == (
        "sent 1 item in 1.0 s (0/s); 1 row could not be read; 1 item was deleted"
    )
    assert LoadSummary(sent=2, seconds=1, pruned=0, dry_run=True).sentence() == (
        "would send 2 items in 1.0 s (0/s); 0 items would be deleted"
    )
