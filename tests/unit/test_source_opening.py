"""Which source a path is, and what is said of a path that is none."""

from pathlib import Path

import pytest

from ops.catalog_sources import BadRow, open_source
from schemas.changes import CatalogChange
from schemas.errors import InputError


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def ids(path: Path) -> list[str | BadRow]:
    return [said if isinstance(said, BadRow) else said.item_id for said in open_source(path)]


@pytest.mark.parametrize("name", ["absent", "absent.csv", "a\0b.csv"])
def test_missing_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="there is no file or folder") as refusal:
        open_source(tmp_path / name)
    assert refusal.value.code == "no_source"


@pytest.mark.parametrize("name", ["a.txt", "a", "a.jpg", "a.csv.gz"])
def test_unknown_kind_names_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"\.csv, \.jsonl, \.parquet"):
        open_source(write(tmp_path / name, "item_id,image\n"))


def test_suffix_in_capitals(tmp_path: Path) -> None:
    assert ids(write(tmp_path / "A.CSV", "id,image\na,b.jpg\n")) == ["a"]


@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", "name,image\nx,y\n"), ("a.csv", ""), ("a.parquet", "no parquet at all")]
)
def test_table_that_cannot_be_read(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(InputError, match=r"a\.(csv: one of the columns item_id, id, sku|parquet is not a Parquet)"):
        open_source(write(tmp_path / name, text))


def test_missing_picture_column_says_what_was_found(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="image_url, image_urls, image, path is needed, or op; found: sku, price"):
        open_source(write(tmp_path / "a.csv", "sku,price\n1,2\n"))


def test_folder_speaks_through_its_own_table(tmp_path: Path) -> None:
    write(tmp_path / "dress" / "a.jpg", "")
    write(tmp_path / "items.csv", "item_id,category,image\nsku-1,gown,dress/a.jpg\n")
    assert list(open_source(tmp_path)) == [
        CatalogChange(
            op="upsert",
            item_id="sku-1",
            images=((tmp_path / "dress" / "a.jpg").as_uri(),),
            attributes={"category": "gown"},
        )
    ]
    assert list(open_source(tmp_path / "items.csv")) == list(open_source(tmp_path))
    assert ids(tmp_path / "dress") == ["a"]


@pytest.mark.parametrize("header", ["sku,image", "item_id,price", "op,item_id", "note"])
def test_table_that_names_no_pictures_leaves_the_folder_to_its_pictures(tmp_path: Path, header: str) -> None:
    write(tmp_path / "a.jpg", "")
    write(tmp_path / "items.csv", f"{header}\n")
    assert ids(tmp_path) == ["a"]


def test_broken_table_in_a_folder_is_not_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", "")
    write(tmp_path / "items.csv", "item_id,image,image\n")
    with pytest.raises(InputError, match="image more than once"):
        open_source(tmp_path)


def test_folder_without_pictures(tmp_path: Path) -> None:
    write(tmp_path / "readme.md", "")
    with pytest.raises(InputError, match="there is no picture in"):
        open_source(tmp_path)
