"""Judgements by people, and what is wrong with a file of them, in words."""

from pathlib import Path

import pytest

from ops.evaluation.judgement_file import read_judgements
from schemas.errors import InputError


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_csv_and_jsonl_say_the_same(tmp_path: Path) -> None:
    table = written(tmp_path, "j.csv", "query_id,item_id,grade,who\nq,a,5,me\nq,b,0,me\nr,1,3,you\n")
    lines = '{"query_id": "q", "item_id": "a", "grade": 5}\n\n{"query_id": "q", "item_id": "b", "grade": 0}\n'
    lines += '{"query_id": "r", "item_id": 1, "grade": "3"}\n'
    expected = {"q": {"a": 5, "b": 0}, "r": {"1": 3}}
    assert read_judgements(table) == read_judgements(written(tmp_path, "j.jsonl", lines)) == expected


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("j.txt", "", ".csv or .jsonl"),
        ("j.csv", "query_id,item\nq,a\n", "needs the columns query_id, item_id, grade; found: query_id, item"),
        ("j.csv", "query_id,item_id,grade\n", "no judgement"),
        ("j.csv", "query_id,item_id,grade\nq,a,6\n", "line 2: `grade` must be a whole number from 0 to 5, not '6'"),
        ("j.csv", "query_id,item_id,grade\nq,a\n", "line 2: `grade`"),
        ("j.csv", "query_id,item_id,grade\n,a,1\n", "line 2: `query_id`"),
        ("j.csv", "query_id,item_id,grade\nq,a,1\nq,a,2\n", "line 3: a had the grade 1 for q before, now 2"),
        ("j.jsonl", "[1]\n", "line 1: no JSON object"),
        ("j.jsonl", '{"query_id": "q", "item_id": "a", "grade": true}\n', "line 1: `grade`"),
    ],
)
def test_a_wrong_file_is_refused_in_words(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(InputError) as refused:
        read_judgements(written(tmp_path, name, text))
    assert words in refused.value.message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_judgements(tmp_path / "none.csv")
