"""Judgements that people made: which item is how relevant to which query, read from .csv or .jsonl."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from embedder.evaluation.rank_measures import MOST_GRADE
from schemas.errors import InputError

COLUMNS = ("query_id", "item_id", "grade")
Judgements = dict[str, dict[str, int]]


def read_judgements(path: Path) -> Judgements:
    """The grades, by query and item; the columns or keys are query_id, item_id and grade (0 to 5).

    Raises:
        InputError: the file cannot be read, or a line is no judgement or contradicts another; the message names it.
    """
    readers = {".csv": _csv_lines, ".jsonl": _jsonl_lines}
    read = readers.get(path.suffix.lower())
    if read is None:
        raise InputError(f"--judgements {path}: {' or '.join(readers)} is read", code="unknown_judgements")
    result: Judgements = {}
    try:
        for line, row in read(path):
            query, item, grade = _judgement(row, f"{path}, line {line}")
            if result.setdefault(query, {}).setdefault(item, grade) != grade:
                raise InputError(
                    f"{path}, line {line}: {item} had the grade {result[query][item]} for {query} before, now {grade}"
                )
    except OSError as error:
        raise InputError(f"--judgements {path} cannot be read: {error.strerror}", code="unreadable") from error
    except UnicodeDecodeError as error:
        raise InputError(f"--judgements {path} is not UTF-8: {error.reason}", code="unreadable") from error
    if not result:
        raise InputError(f"--judgements {path} holds no judgement", code="empty_judgements")
    return result


def _csv_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            found = ", ".join(reader.fieldnames or ()) or "none"
            raise InputError(f"{path} needs the columns {', '.join(COLUMNS)}; found: {found}", code="bad_columns")
        for row in reader:
            yield reader.line_num, row


def _jsonl_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield number, msgspec.json.decode(line, type=dict[str, Any])
            except (msgspec.DecodeError, RecursionError) as error:
                raise InputError(f"{path}, line {number}: no JSON object: {error}", code="bad_judgement") from error


def _judgement(row: dict[str, Any], where: str) -> tuple[str, str, int]:
    query, item, grade = (row.get(name) for name in COLUMNS)
    for name, value in (("query_id", query), ("item_id", item)):
        if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
            raise InputError(f"{where}: `{name}` must be an item's id, not {value!r:.60}", code="bad_judgement")
    text = str(grade).strip()
    if isinstance(grade, bool) or not text.isdecimal() or int(text) > MOST_GRADE:
        raise InputError(f"{where}: `grade` must be a whole number from 0 to {MOST_GRADE}, not {grade!r:.60}")
    return str(query), str(item), int(text)
