"""CSV tables as people really write them."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder.fetch import path_of_file_url
from ops.catalog_sources import BadRow, CatalogSource, open_source
from ops.sources import csv_table
from ops.sources.csv_table import inferred
from schemas.changes import CatalogChange


def table(folder: Path, text: str | bytes) -> CatalogSource:
    path = folder / "shop.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return open_source(path)


def only(source: CatalogSource) -> CatalogChange:
    (said,) = source
    assert isinstance(said, CatalogChange), said
    return said


INFERRED = {
    "": None,
    "  ": None,
    "42": 42,
    "-7": -7,
    "49.90": 49.9,
    "1e-05": 1e-05,
    " 3 ": 3,
    "true": True,
    "False": False,
    "TRUE": True,
    "007": "007",
    "4006381333931000000": "4006381333931000000",
    "12E4": "12E4",
    "1e+999": "1e+999",
    "1,5": "1,5",
    "+5": "+5",
    "5.": "5.",
    "nan": "nan",
    "null": "null",
    "١٢": "١٢",
    "red ": "red ",
    "-": "-",
}


@pytest.mark.parametrize("cell", INFERRED)
def test_what_a_cell_means(cell: str) -> None:
    value = inferred(cell)
    assert (value, type(value)) == (INFERRED[cell], type(INFERRED[cell]))


@given(st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans())
def test_values_that_python_writes_are_read_again(value: float) -> None:
    back = inferred(str(value))
    assert (back, type(back)) == (value, type(value))


def test_every_other_column_is_an_attribute(tmp_path: Path) -> None:
    text = "sku,title,price,in_stock,size,image,id\nA 1,Mug,9.90,true,,pics/a.jpg,7\n"
    change = only(table(tmp_path, text))
    assert change == CatalogChange(
        op="upsert",
        item_id="7",
        images=((tmp_path / "pics" / "a.jpg").as_uri(),),
        attributes={"sku": "A 1", "title": "Mug", "price": 9.9, "in_stock": True},
    )


def test_attributes_column_holds_them_all(tmp_path: Path) -> None:
    text = (
        'item_id,image_url,note,attributes\na,https://x/y.jpg,hi,"{""price"": 5, ""tags"": [""x""], ""left"": null}"\n'
    )
    assert only(table(tmp_path, text)).attributes == {"price": 5, "tags": ["x"], "left": None}


def test_table_of_ids_and_pictures_alone_keeps_attributes(tmp_path: Path) -> None:
    assert only(table(tmp_path, "item_id,image\na,b.jpg\n")).attributes is None


def test_version_time_and_operations(tmp_path: Path) -> None:
    text = (
        "op,item_id,version,event_time,image,price\n"
        "upsert,a,3,2026-11-21T09:00:00Z,a.jpg,5\n"
        "patch,a,4.0,2026-11-21T09:00:00Z,,6\n"
        "upsert,b,,,,7\n"
        "delete,a,,,,\n"
        ",c,,,c.jpg,\n"
    )
    url = (tmp_path / "a.jpg").as_uri()
    assert list(table(tmp_path, text)) == [
        CatalogChange(
            op="upsert", item_id="a", images=(url,), attributes={"price": 5}, version=3, time_us=1_795_251_600_000_000
        ),
        CatalogChange(op="patch", item_id="a", attributes={"price": 6}, version=4, time_us=1_795_251_600_000_000),
        CatalogChange(op="upsert", item_id="b", attributes={"price": 7}),
        CatalogChange(op="delete", item_id="a"),
        CatalogChange(op="upsert", item_id="c", images=((tmp_path / "c.jpg").as_uri(),), attributes={}),
    ]


@pytest.mark.parametrize(
    "url",
    ["https://x/a b.jpg", "s3://bucket/k#1", "HTTP://x/y", "file:///tmp/a%20b.jpg", "data:image/png;base64,AAAA"],
)
def test_urls_pass_through(tmp_path: Path, url: str) -> None:
    assert only(table(tmp_path, f'item_id,image\na," {url} "\n')).images == (url,)


@pytest.mark.parametrize(
    "path", ["a b.jpg", "a#b.jpg", "50%.jpg", "a%20b.jpg", "ä/日本.jpg", "a:b.jpg", "a;b?.jpg", "x.jpg "]
)
def test_paths_become_file_urls_of_just_that_file(tmp_path: Path, path: str) -> None:
    images = only(table(tmp_path, f'item_id,image\na,"{path}"\n')).images
    assert images is not None
    assert path_of_file_url(images[0]) == tmp_path / path


def test_absolute_path_stays(tmp_path: Path) -> None:
    assert only(table(tmp_path, "item_id,path\na,/srv/a b.jpg\n")).images == ("file:///srv/a%20b.jpg",)


def test_path_in_another_encoding_leads_to_its_file(tmp_path: Path) -> None:
    images = only(table(tmp_path, b"item_id,image\na,caf\xe9.jpg\n")).images
    assert images == (f"{tmp_path.as_uri()}/caf%E9.jpg",)


def test_several_pictures_in_one_cell(tmp_path: Path) -> None:
    text = 'item_id,image_urls\na,"[""1.jpg"", ""https://x/2.jpg""]"\n'
    assert only(table(tmp_path, text)).images == ((tmp_path / "1.jpg").as_uri(), "https://x/2.jpg")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_bom_line_ends_and_quoted_lines(tmp_path: Path, delimiter: str) -> None:
    lines = [["item_id", "image", "text"], ["a", "a.jpg", '"two\nlines"'], [], ["b", "b.jpg", '"say ""x"""']]
    text = "\r\n".join(delimiter.join(cells) for cells in lines)
    changes = list(table(tmp_path, b"\xef\xbb\xbf" + text.encode()))
    assert [c.item_id for c in changes if isinstance(c, CatalogChange)] == ["a", "b"]
    assert [c.attributes for c in changes if isinstance(c, CatalogChange)] == [
        {"text": "two\nlines"},
        {"text": 'say "x"'},
    ]


BAD = {
    "too few cells": ("a,1", "2 cells, but the header has 4"),
    "too many cells": ("a,b.jpg,1,2,3", "5 cells, but the header has 4"),
    "no id": (",b.jpg,1,", "`item_id` is empty"),
    "no picture": ("a, ,1,", "`image` is empty"),
    "an id of 600 bytes": (f"{'x' * 600},b.jpg,1,", "at most 512 bytes"),
    "no version": ("a,b.jpg,1,new", "`version` must be a whole number"),
    "a huge version": ("a,b.jpg,1,99999999999999999999", "int"),
    "broken text": ("a,b.jpg,\udcff,", "not UTF-8"),
    "a broken id": ("\udcff,b.jpg,1,", "not UTF-8|Unicode"),
    "a null character": ("a,b\0.jpg,1,", "null character"),
    "a broken list": ('a,"[""x""",1,', "the list of pictures is not JSON"),
    "a list of numbers": ("a,[1],1,", "a picture is a path or a URL"),
    "ten pictures": ('a,"[' + ",".join(['""x""'] * 10) + ']",1,', "at most 8 pictures"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_row_is_named_and_the_next_one_read(tmp_path: Path, name: str) -> None:
    line, message = BAD[name]
    text = f"item_id,image,price,version\nfirst,a.jpg,1,\n{line}\nlast,z.jpg,1,\n"
    first, bad, last = table(tmp_path, text.encode(errors="surrogateescape"))
    assert isinstance(bad, BadRow)
    assert bad.row == 2
    assert re.search(message, bad.message)
    assert [c.item_id for c in (first, last) if isinstance(c, CatalogChange)] == ["first", "last"]


def test_cell_beyond_the_limit_is_a_bad_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_table, "MOST_CELL_CHARACTERS", 1000)
    text = f"item_id,image\na,{'x' * 2000}\nb,b.jpg\n"
    bad, good = table(tmp_path, text)
    assert isinstance(bad, BadRow)
    assert "not CSV" in bad.message
    assert isinstance(good, CatalogChange)


def test_large_data_url_is_taken(tmp_path: Path) -> None:
    url = "data:image/png;base64," + "A" * 400_000
    assert only(table(tmp_path, f'item_id,image\na,"{url}"\n')).images == (url,)


def test_count_numbers_and_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "item_id,image\n" + "".join(f"i{n},{n}.jpg\n" if n % 3 else "\nbroken\n" for n in range(1, 10))
    source = table(tmp_path, text)
    rows = list(source.rows())
    assert source.count() == len(rows) == 9
    assert [number for number, _ in rows] == list(range(1, 10))
    assert [said.row for _, said in rows if isinstance(said, BadRow)] == [3, 6, 9]
    assert list(source.rows(after=4)) == rows[4:]
    monkeypatch.setattr(csv_table, "MOST_COUNTED_BYTES", 10)
    assert source.count() is None


def test_header_alone_is_an_empty_table(tmp_path: Path) -> None:
    source = table(tmp_path, "item_id,image")
    assert (source.count(), list(source)) == (0, [])
