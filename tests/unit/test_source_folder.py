"""A folder of pictures: every one an item, whatever it is called."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder.fetch import path_of_file_url
from ops.catalog_sources import BadRow, open_source
from ops.sources.picture_folder import _names
from schemas.changes import CatalogChange

HOSTILE = (
    "a b.jpg",
    "a#b.png",
    "100%.jpg",
    "a%20b.jpg",
    "a?b=c.webp",
    "ä ö.jpg",
    "日本.JPEG",
    "a&b;c,d.gif",
    '"q".jpg',
)


def folder_of(base: Path, *names: str) -> Path:
    for name in names:
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return base


def changes(path: Path) -> Iterator[CatalogChange]:
    for said in open_source(path):
        assert isinstance(said, CatalogChange), said
        yield said


def test_id_category_and_order(tmp_path: Path) -> None:
    folder_of(tmp_path, "z.jpg", "b/2.jpg", "b/1.png", "b/deep/x.jpg", "a/9.jpg", "A.jpg")
    found = list(changes(tmp_path))
    assert [change.item_id for change in found] == ["A", "z", "a/9", "b/1", "b/2", "b/deep/x"]
    assert [change.attributes for change in found] == [
        {},
        {},
        {"category": "a"},
        {"category": "b"},
        {"category": "b"},
        {"category": "deep"},
    ]
    assert list(changes(tmp_path)) == found


def test_count_and_resume(tmp_path: Path) -> None:
    source = open_source(folder_of(tmp_path, *(f"{i}/{i}.jpg" for i in range(5))))
    rows = list(source.rows())
    assert source.count() == 5
    assert [number for number, _ in rows] == [1, 2, 3, 4, 5]
    assert list(source.rows(after=3)) == rows[3:]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_lead_to_their_file(tmp_path: Path, name: str) -> None:
    (change,) = changes(folder_of(tmp_path / "of # 100%", name))
    assert change.images is not None
    assert path_of_file_url(change.images[0]) == tmp_path / "of # 100%" / name
    assert change.item_id == name.rpartition(".")[0]


def test_other_files_and_hidden_ones_are_passed_over(tmp_path: Path) -> None:
    folder_of(tmp_path, "a.jpg", "notes.txt", ".b.jpg", ".cache/c.jpg", "jpg", "d.jpg.part")
    assert [change.item_id for change in changes(tmp_path)] == ["a"]


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    folder_of(tmp_path, "a.jpg", "notes.txt", "b/two.txt", "b/IMG.HEIC", "b/c.png", ".hidden.txt", "README")
    said = open_source(tmp_path).left_out()
    assert said == "4 files left out (.txt 2, no ending 1, .heic 1); HEIC is not read: export as JPEG"
    assert open_source(folder_of(tmp_path / "b" / "in", "x.jpg")).left_out() == ""


def test_two_dots_are_resolved(tmp_path: Path) -> None:
    folder_of(tmp_path, "shop/a.jpg", "other/b.jpg")
    (change,) = changes(tmp_path / "other" / ".." / "shop")
    assert change.images == ((tmp_path / "shop" / "a.jpg").as_uri(),)


def test_names_that_differ_in_the_suffix_alone_keep_it(tmp_path: Path) -> None:
    folder_of(tmp_path, "a.jpg", "a.png", "a.jpg.png", "b.jpg", "c/a.jpg")
    assert [change.item_id for change in changes(tmp_path)] == ["a.jpg", "a.jpg.png", "a.png", "b", "c/a"]


@given(st.sets(st.text("ab.", min_size=1, max_size=4).map(lambda n: f"{n}.jpg") | st.sampled_from(["a.png", "b.png"])))
def test_no_two_pictures_share_a_name(files: set[str]) -> None:
    names = list(_names(sorted(files)))
    assert len(set(names)) == len(files)


def test_name_that_is_not_utf8_is_a_bad_row(tmp_path: Path) -> None:
    folder_of(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / os.fsdecode(b"a\xff.jpg")).write_bytes(b"")
    said = list(open_source(tmp_path))
    bad = [row for row in said if isinstance(row, BadRow)]
    assert len(said) == 3
    assert len(bad) == 1
    assert "not UTF-8" in bad[0].message
    bad[0].message.encode()


def test_name_too_long_for_an_id_is_a_bad_row(tmp_path: Path) -> None:
    deep = "/".join(["d" * 200] * 3)
    (row,) = open_source(folder_of(tmp_path, f"{deep}/a.jpg"))
    assert isinstance(row, BadRow)
    assert "512 bytes" in row.message


def test_links_to_folders_are_not_followed_and_links_to_pictures_are_pictures(tmp_path: Path) -> None:
    folder_of(tmp_path, "in/a.jpg")
    (tmp_path / "in" / "round").symlink_to(tmp_path)
    (tmp_path / "in" / "b.jpg").symlink_to(tmp_path / "in" / "a.jpg")
    (tmp_path / "in" / "broken.jpg").symlink_to(tmp_path / "absent")
    (tmp_path / "in" / "circle.jpg").symlink_to("circle.jpg")
    assert [change.item_id for change in changes(tmp_path)] == ["in/a", "in/b", "in/broken", "in/circle"]


def test_relative_path_gives_absolute_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of(tmp_path, "shop/a.jpg")
    monkeypatch.chdir(tmp_path)
    (change,) = changes(Path("shop"))
    assert change.images == ((tmp_path / "shop" / "a.jpg").as_uri(),)
