"""Parquet tables: typed columns, batch by batch."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ops.catalog_sources import BadRow, CatalogSource, open_source
from ops.sources import parquet_table
from schemas.changes import CatalogChange
from schemas.errors import InputError


def table(folder: Path, columns: dict[str, Any]) -> CatalogSource:
    path = folder / "shop.parquet"
    pq.write_table(pa.table(columns), path)
    return open_source(path)


def test_types_become_json(tmp_path: Path) -> None:
    columns = {
        "id": pa.array([7], pa.int64()),
        "image": ["a b.jpg"],
        "price": pa.array([Decimal("49.90")]),
        "stock": pa.array([3], pa.uint8()),
        "since": [date(2026, 11, 21)],
        "seen": [datetime(2026, 11, 21, 9, tzinfo=UTC)],
        "tags": [["x", "y"]],
        "size": [{"width": 2, "unit": None}],
        "kind": pa.array(["mug"]).dictionary_encode(),
        "ratio": [float("nan")],
        "empty": pa.array([None], pa.string()),
        "thumbnail": [b"\xff\xd8"],
    }
    assert list(table(tmp_path, columns)) == [
        CatalogChange(
            op="upsert",
            item_id="7",
            images=((tmp_path / "a b.jpg").as_uri(),),
            attributes={
                "price": 49.9,
                "stock": 3,
                "since": "2026-11-21",
                "seen": "2026-11-21T09:00:00+00:00",
                "tags": ["x", "y"],
                "size": {"width": 2, "unit": None},
                "kind": "mug",
            },
        )
    ]


@pytest.mark.parametrize(
    "attributes",
    [
        pa.array([{"price": 5, "note": None}]),
        pa.array(['{"price": 5}']),
        pa.array([[("price", 5)]], pa.map_(pa.string(), pa.int64())),
    ],
    ids=["struct", "json", "map"],
)
def test_attributes_column(tmp_path: Path, attributes: Any) -> None:
    (change,) = table(tmp_path, {"sku": ["a"], "image_url": ["https://x/y"], "other": [1], "attributes": attributes})
    assert isinstance(change, CatalogChange)
    assert change.attributes == {"price": 5}


def test_version_time_operation_and_several_pictures(tmp_path: Path) -> None:
    columns = {
        "item_id": ["a", "a", "a"],
        "op": ["upsert", "patch", "delete"],
        "image_urls": [["x.jpg", "s3://b/y"], None, None],
        "version": pa.array([1.0, None, 3.0]),
        "event_time": pa.array([1_795_251_600_000_000_123] * 3, pa.timestamp("ns", "Europe/Berlin")),
        "price": [1, 2, 3],
    }
    us = 1_795_251_600_000_000
    assert list(table(tmp_path, columns)) == [
        CatalogChange(
            op="upsert",
            item_id="a",
            images=((tmp_path / "x.jpg").as_uri(), "s3://b/y"),
            attributes={"price": 1},
            version=1,
            time_us=us,
        ),
        CatalogChange(op="patch", item_id="a", attributes={"price": 2}, time_us=us),
        CatalogChange(op="delete", item_id="a", version=3, time_us=us),
    ]


def test_bad_rows_are_named_and_the_others_read(tmp_path: Path) -> None:
    columns = {"id": ["a", None, "c", "d"], "path": ["a.jpg", "b.jpg", "", "d.jpg"]}
    said = list(table(tmp_path, columns))
    assert said[1:3] == [BadRow(2, "`id` is empty"), BadRow(3, "`path` is empty")]
    assert [c.item_id for c in said if isinstance(c, CatalogChange)] == ["a", "d"]


def test_time_without_a_zone_is_a_bad_row(tmp_path: Path) -> None:
    (bad,) = table(tmp_path, {"id": ["a"], "image": ["a"], "event_time": [datetime(2026, 11, 21)]})
    assert isinstance(bad, BadRow)
    assert "time zone" in bad.message


def test_value_python_cannot_hold_spoils_its_row_alone(tmp_path: Path) -> None:
    far = pa.array([0, 2**62, 0], pa.timestamp("us"))
    first, bad, last = table(tmp_path, {"id": ["a", "b", "c"], "image": ["a", "b", "c"], "made": far})
    assert isinstance(bad, BadRow)
    assert bad.row == 2
    assert [c.item_id for c in (first, last) if isinstance(c, CatalogChange)] == ["a", "c"]


def test_struct_of_bytes_for_a_picture_is_a_bad_row(tmp_path: Path) -> None:
    (bad,) = table(tmp_path, {"id": ["a"], "image": [{"bytes": b"x", "path": None}]})
    assert isinstance(bad, BadRow)
    assert "a picture is a path or a URL" in bad.message


def test_column_of_bytes_is_no_picture_column(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found: id, price"):
        table(tmp_path, {"id": ["a"], "price": [1], "image": [b"x"]})


def test_many_batches_count_and_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_table, "BATCH_ROWS", 10)
    path = tmp_path / "shop.parquet"
    rows = pa.table({"item_id": [f"i{n}" for n in range(95)], "image": [f"{n}.jpg" for n in range(95)]})
    pq.write_table(rows, path, row_group_size=33)
    source = open_source(path)
    said = list(source.rows())
    assert source.count() == len(said) == 95
    assert [number for number, _ in said] == list(range(1, 96))
    assert [c.item_id for c in source if isinstance(c, CatalogChange)] == [f"i{n}" for n in range(95)]
    for after in (0, 9, 10, 11, 64, 94, 95, 200):
        assert list(source.rows(after=after)) == said[after:]


def test_file_that_breaks_off_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_table, "BATCH_ROWS", 10)
    path = tmp_path / "shop.parquet"
    noise = [f"{n * 7919 % 10007}-{n}" for n in range(4000)]
    pq.write_table(pa.table({"item_id": noise, "image": noise}), path, row_group_size=1000, compression="zstd")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = b"\0" * 2000
    path.write_bytes(data)
    read = 0
    with pytest.raises(InputError, match=r"breaks off after row \d+"):
        for _ in open_source(path):
            read += 1
    assert 0 < read < 4000


def test_row_groups_are_passed_over_and_a_large_one_is_never_whole_in_memory(tmp_path: Path) -> None:
    count = 4_000
    columns = {"item_id": [f"w-{n}" for n in range(count)], "image_url": ["https://shop/" + "x" * 16_000] * count}
    path = tmp_path / "wide.parquet"
    pq.write_table(pa.table(columns), path, use_dictionary=False, compression="none")
    del columns
    held_bytes, most = pa.total_allocated_bytes(), 0
    for _ in open_source(path):
        most = max(most, pa.total_allocated_bytes() - held_bytes)
    assert most < path.stat().st_size / 2
    pq.write_table(pa.table({"id": list(range(10)), "image": ["a.jpg"] * 10}), path, row_group_size=3)
    for after in range(12):
        assert [number for number, _ in open_source(path).rows(after)] == list(range(after + 1, 11))
