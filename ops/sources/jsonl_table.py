"""JSON lines: an object per line, each a row of a table or a change as producers send it."""

import contextlib
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from ops.sources.row_shape import PLAIN, RowShape
from ops.sources.source import BadRow, CatalogSource, Row, file_fingerprint
from ops.sources.table_rows import CONTROL_COLUMNS, URL_COLUMNS, find_columns, row_change
from schemas.changes import CatalogChange
from schemas.errors import InputError

MOST_COUNTED_BYTES = 2 * 1024 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"

_columns_of = functools.lru_cache(maxsize=64)(find_columns)
_decoder = msgspec.json.Decoder()
_CHANGE_NAMES = frozenset({"item_id", *URL_COLUMNS, *CONTROL_COLUMNS})


class JsonlTable(CatalogSource):
    """A .jsonl file; empty lines are no rows.

    An object is a change as producers send it when it has `op`, `item_id` and one of `image_url`, `image_urls` and
    `attributes` (or deletes): its other fields are the producer's own and are ignored. Any other object is a row of a
    table.
    """

    def __init__(self, path: Path, shape: RowShape = PLAIN) -> None:
        self._path, self._shape = path.absolute(), shape

    def count(self) -> int | None:
        """See `CatalogSource.count`."""
        with self._open() as file:
            if os.fstat(file.fileno()).st_size > MOST_COUNTED_BYTES:
                return None
            return sum(1 for _ in _lines(file))

    def fingerprint(self) -> str:
        """See `CatalogSource.fingerprint`."""
        return file_fingerprint(self._path)

    def rows(self, after: int = 0) -> Iterator[Row]:
        """See `CatalogSource.rows`."""
        with self._open() as file:
            for number, line in enumerate(_lines(file), start=1):
                if number > after:
                    yield number, self._said(number, line)

    def _said(self, number: int, line: bytes) -> CatalogChange | BadRow:
        try:
            row: Any = _decoder.decode(line)
            if not isinstance(row, dict):
                return BadRow(number, f"expected a JSON object, not {row!r:.60}")
            row = dict(zip(self._shape.renamed(list(row), strict=False), row.values(), strict=True))
            names = tuple(name for name in row if name in _CHANGE_NAMES) if _is_change(row) else tuple(row)
            columns = self._shape.chosen(_columns_of(names), strict=False)
            return row_change(columns, self._shape.cast(row), self._shape.folder(self._path))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return BadRow(number, f"not JSON: {error}")
        except InputError as refusal:
            return BadRow(number, refusal.message)

    @contextlib.contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        try:
            with self._path.open("rb") as file:
                yield file
        except OSError as error:
            raise InputError(f"{self._path} cannot be read: {error.strerror}", code="unreadable") from error


def _is_change(row: dict[str, Any]) -> bool:
    telling = row.keys() & {*URL_COLUMNS, "attributes"}
    return "op" in row and "item_id" in row and (bool(telling) or row["op"] == "delete")


def _lines(file: BinaryIO) -> Iterator[bytes]:
    for number, raw in enumerate(file):
        line = (raw.removeprefix(_BOM) if number == 0 else raw).strip()
        if line:
            yield line
