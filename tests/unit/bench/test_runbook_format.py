"""Runbooks as files: those of the big-ann-benchmarks are read, ours are theirs, and broken ones are refused."""

from pathlib import Path

import pytest
import yaml

from ops.bench.runbook import Delete, Insert, Replace, Runbook, Search, read_runbook, write_runbook
from schemas.errors import InputError

PUBLISHED = """
random-xs-clustered:
  max_pts: 6000
  1:
    operation: "insert"
    start: 0
    end: 326
  2:
    operation: "search"
  3:
    operation: "delete"
    start: 100
    end: 200
  # tags of a replaced range take other rows
  4:
    ids_end: 336
    ids_start: 326
    operation: replace
    tags_end: 10
    tags_start: 0
  gt_url: "https://example.org/gt"
"""


def book(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "runbook.yaml"
    path.write_text(text)
    return path


def test_a_published_runbook_is_read(tmp_path: Path) -> None:
    runbook = read_runbook(book(tmp_path, PUBLISHED))
    steps = (Insert(0, 326), Search(), Delete(100, 200), Replace(0, 10, 326, 336))
    assert runbook == Runbook("random-xs-clustered", 6000, steps)
    assert (runbook.rows, runbook.tags) == (336, 326)


def test_steps_come_by_number_and_not_by_place(tmp_path: Path) -> None:
    steps = "a: {2: {operation: search}, 1: {operation: insert, start: 0, end: 3}, max_pts: 3}"
    assert read_runbook(book(tmp_path, steps)).steps == (Insert(0, 3), Search())


def test_what_is_written_is_read(tmp_path: Path) -> None:
    steps = (Insert(0, 9), Search(), Replace(0, 2, 9, 11), Delete(1, 2), Search())
    runbook = Runbook("mine", 9, steps)
    write_runbook(tmp_path / "mine.yaml", runbook)
    assert read_runbook(tmp_path / "mine.yaml") == runbook
    plain = yaml.safe_load((tmp_path / "mine.yaml").read_text())
    assert plain["mine"][3] == {"operation": "replace", "tags_start": 0, "tags_end": 2, "ids_start": 9, "ids_end": 11}


def test_one_of_several_data_sets_is_named(tmp_path: Path) -> None:
    both = "a: {1: {operation: search}, max_pts: 1}\nb: {1: {operation: search}, max_pts: 2}"
    path = book(tmp_path, both)
    assert read_runbook(path, "b").max_pts == 2
    with pytest.raises(InputError, match="steps for a, b"):
        read_runbook(path)
    with pytest.raises(InputError, match="steps for a, b"):
        read_runbook(path, "c")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a\n- b", "no runbook"),
        ("a: [", "no runbook"),
        ("a: {max_pts: 3}", "not numbered"),
        ("a: {1: {operation: search}, 3: {operation: search}, max_pts: 3}", "not numbered"),
        ("a: {1: {operation: upsert, start: 0, end: 2}, max_pts: 3}", "cannot be understood"),
        ("a: {1: {operation: insert, start: 0}, max_pts: 3}", "cannot be understood"),
        ("a: {1: {operation: search}}", "cannot be understood"),
        ("a: {1: {operation: insert, start: 5, end: 2}, max_pts: 3}", "do not fit"),
        ("a: {1: {operation: delete, start: -1, end: 2}, max_pts: 3}", "do not fit"),
        (
            "a: {1: {operation: replace, tags_start: 0, tags_end: 3, ids_start: 5, ids_end: 6}, max_pts: 3}",
            "step 1 has ranges that do not fit",
        ),
    ],
)
def test_broken_runbooks_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_runbook(book(tmp_path, text))


def test_a_missing_runbook_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no runbook"):
        read_runbook(tmp_path / "none.yaml")
