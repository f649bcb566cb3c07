"""CSV tables: a header, then a row per item; what a cell holds is told by how it is written."""

import contextlib
import csv
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from ops.sources.row_shape import PLAIN, RowShape
from ops.sources.source import BadRow, CatalogSource, Row, file_fingerprint
from ops.sources.table_rows import Columns, find_columns, row_change
from schemas.changes import CatalogChange
from schemas.errors import ChangeRejected, InputError

MOST_COUNTED_BYTES = 512 * 1024 * 1024
MOST_CELL_CHARACTERS = 64 * 1024 * 1024
"""Room for a `data:` URL of a large picture."""

_DELIMITERS = (",", ";", "\t")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:e[+-][0-9]+)?", re.IGNORECASE)
_SAFE_INTEGER = 2**53


class CsvTable(CatalogSource):
    """A .csv file in UTF-8, its cells divided by commas, semicolons or tabs, whichever its header has most of."""

    def __init__(self, path: Path, shape: RowShape = PLAIN) -> None:
        """Reads the header; InputError when it lacks a column that is needed."""
        self._path, self._shape = path.absolute(), shape
        with self._open() as file:
            line = file.readline()
        self._delimiter = max(_DELIMITERS, key=line.count)
        with self._open() as file:
            self._header = [name.strip() for name in next(self._reader(file), [])]
        twice = sorted({name for name in self._header if name and self._header.count(name) > 1})
        if twice:
            raise InputError(f"{path}: the header names {', '.join(twice)} more than once", code="bad_header")
        try:
            self._header = shape.renamed(self._header)
            self._columns = shape.chosen(find_columns([name for name in self._header if name]))
        except InputError as error:
            raise InputError(f"{path}: {error.message}", code=error.code) from error

    @property
    def columns(self) -> Columns:
        """Which column is what."""
        return self._columns

    def count(self) -> int | None:
        """See `CatalogSource.count`."""
        with self._open() as file:
            if os.fstat(file.fileno()).st_size > MOST_COUNTED_BYTES:
                return None
        return sum(1 for _ in self._records())

    def fingerprint(self) -> str:
        """See `CatalogSource.fingerprint`."""
        return file_fingerprint(self._path)

    def rows(self, after: int = 0) -> Iterator[Row]:
        """See `CatalogSource.rows`."""
        for number, (line, cells) in enumerate(self._records(), start=1):
            if number > after:
                yield number, self._said(number, line, cells)

    def _said(self, number: int, line: int, cells: list[str] | csv.Error) -> CatalogChange | BadRow:
        if isinstance(cells, csv.Error):
            return BadRow(number, f"not CSV: {cells}", line)
        if len(cells) != len(self._header):
            return BadRow(number, f"{len(cells)} cells, but the header has {len(self._header)}", line)
        row: dict[str, Any] = dict(zip(self._header, cells, strict=True))
        if not self._columns.has_attributes:
            row |= {name: inferred(row[name]) for name in self._columns.rest if name not in self._shape.types}
        try:
            return row_change(self._columns, self._shape.cast(row), self._shape.folder(self._path))
        except ChangeRejected as refusal:
            return BadRow(number, refusal.message, line)

    def _records(self) -> Iterator[tuple[int, list[str] | csv.Error]]:
        """The records behind the header, each with the number of its last line.

        Empty lines are none, and one that is no CSV does not end the table.
        """
        with self._open() as file:
            reader = self._reader(file)
            next(reader, None)
            while True:
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield reader.line_num, error
                    continue
                if cells:
                    yield reader.line_num, cells

    def _reader(self, file: TextIO) -> Any:
        csv.field_size_limit(MOST_CELL_CHARACTERS)  # the module's only way; no smaller limit is set elsewhere
        return csv.reader(file, delimiter=self._delimiter)

    @contextlib.contextmanager
    def _open(self) -> Iterator[TextIO]:
        """Bytes that are not UTF-8 are kept, so that a path may have them and any other cell is refused alone."""
        try:
            with self._path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
                yield file
        except OSError as error:
            raise InputError(f"{self._path} cannot be read: {error.strerror}", code="unreadable") from error


def inferred(cell: str) -> str | int | float | bool | None:
    """What people mean by a cell: true and false, numbers, else text; None for an empty one.

    Digits that are a name rather than a number stay text: those with leading zeros, those too long for a double, and
    those with an exponent without a sign (007, 4006381333931000000, 12E4).
    """
    text = cell.strip()
    if not text:
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if _INTEGER.fullmatch(text):
        return int(text) if len(text) < 18 and abs(int(text)) <= _SAFE_INTEGER else cell
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return cell
