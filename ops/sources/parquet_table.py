"""Parquet tables: typed columns, read batch by batch."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any

from ops.sources.row_shape import PLAIN, RowShape
from ops.sources.source import BadRow, CatalogSource, Row, file_fingerprint
from ops.sources.table_rows import find_columns, row_change
from schemas.changes import CatalogChange
from schemas.errors import ChangeRejected, InputError

BATCH_ROWS, BATCH_BYTES = 1024, 4 * 1024 * 1024
BUFFER_BYTES = 1024 * 1024
"""Of each column. Read ahead, a whole row group would be in memory, and a file may be one row group."""


class ParquetTable(CatalogSource):
    """A .parquet file. Columns of bytes are no attributes; a null is an empty cell, in a struct too."""

    def __init__(self, path: Path, shape: RowShape = PLAIN) -> None:
        """Reads the schema; InputError when the file is no Parquet or lacks a column that is needed."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._path, self._shape = path.absolute(), shape
        try:
            with pq.ParquetFile(self._path) as file:
                self._rows, schema = file.metadata.num_rows, file.schema_arrow
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path} is not a Parquet file that can be read: {error}", code="unreadable") from error
        self._names = [field.name for field in schema if not _is_bytes(field.type)]
        try:
            self._columns = shape.chosen(find_columns(shape.renamed(self._names)))
        except InputError as error:
            raise InputError(f"{path}: {error.message}", code=error.code) from error

    def count(self) -> int | None:
        """See `CatalogSource.count`."""
        return int(self._rows)

    def fingerprint(self) -> str:
        """See `CatalogSource.fingerprint`."""
        return file_fingerprint(self._path)

    def rows(self, after: int = 0) -> Iterator[Row]:
        """See `CatalogSource.rows`."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        number = 0
        try:
            with pq.ParquetFile(self._path, buffer_size=BUFFER_BYTES, pre_buffer=False) as file:
                number, groups = _groups_behind(file.metadata, after)
                batch_rows = _batch_rows(file.metadata)
                for batch in file.iter_batches(batch_rows, row_groups=groups, columns=self._names):
                    first, number = number + 1, number + batch.num_rows
                    if number > after:
                        skipped = max(after - first + 1, 0)
                        rows = _plain_rows(batch.slice(skipped))
                        yield from ((n, self._said(n, row)) for n, row in enumerate(rows, start=first + skipped))
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{self._path} breaks off after row {number}: {error}", code="unreadable") from error

    def _said(self, number: int, row: dict[str, Any] | ValueError | OverflowError) -> CatalogChange | BadRow:
        if isinstance(row, ValueError | OverflowError):
            return BadRow(number, f"a value lies outside what Python can hold: {row}")
        try:
            values = [_json_value(value) for value in row.values()]
            plain = dict(zip(self._shape.renamed(list(row)), values, strict=True))
            if isinstance(plain.get("attributes"), dict):
                plain["attributes"] = {k: v for k, v in plain["attributes"].items() if v is not None}
            return row_change(self._columns, self._shape.cast(plain), self._shape.folder(self._path))
        except ChangeRejected as refusal:
            return BadRow(number, refusal.message)


def _groups_behind(metadata: Any, after: int) -> tuple[int, list[int]]:
    """How many rows lie in the row groups that end at or before a row, and the groups behind those."""
    passed, first = 0, 0
    while first < metadata.num_row_groups and passed + metadata.row_group(first).num_rows <= after:
        passed += metadata.row_group(first).num_rows
        first += 1
    return passed, list(range(first, metadata.num_row_groups))


def _batch_rows(metadata: Any) -> int:
    """Rows of one batch: fewer where they are large, as those that hold their pictures are."""
    groups = [metadata.row_group(n) for n in range(metadata.num_row_groups)]
    row_bytes = max((group.total_byte_size / max(group.num_rows, 1) for group in groups), default=1.0)
    return max(1, min(BATCH_ROWS, int(BATCH_BYTES / max(row_bytes, 1.0))))


def _is_bytes(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _plain_rows(batch: Any) -> Iterator[dict[str, Any] | ValueError | OverflowError]:
    """Rows as Python values; nanoseconds are cut to microseconds, as Python's times have no more.

    A value without a Python form (a date after the year 9999) spoils its own row only.
    """
    import pyarrow as pa

    for at, field in enumerate(batch.schema):
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
            cut = batch.column(at).cast(pa.timestamp("us", field.type.tz), safe=False)
            batch = batch.set_column(at, field.name, cut)
    try:
        yield from batch.to_pylist(maps_as_pydicts="lossy")
    except (ValueError, OverflowError):
        for at in range(batch.num_rows):
            try:
                yield from batch.slice(at, 1).to_pylist(maps_as_pydicts="lossy")
            except (ValueError, OverflowError) as error:
                yield error


def _json_value(value: object) -> Any:
    """A value as JSON has it: times as ISO 8601, decimals as numbers; None for what has no JSON form."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, bytes) or (isinstance(value, float) and not isfinite(value)):
        return None
    if isinstance(value, dict):
        return {str(key): _json_value(inner) for key, inner in value.items()}
    return [_json_value(inner) for inner in value] if isinstance(value, list | tuple) else value
