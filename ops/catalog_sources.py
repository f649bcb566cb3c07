"""The sources `lookalive catalog load` reads: a folder of pictures, or a .csv, .jsonl or .parquet table."""

from collections.abc import Callable
from pathlib import Path

from ops.sources.csv_table import CsvTable
from ops.sources.jsonl_table import JsonlTable
from ops.sources.parquet_table import ParquetTable
from ops.sources.picture_folder import TABLE, PictureFolder
from ops.sources.row_shape import PLAIN, RowShape
from ops.sources.source import BadRow, CatalogSource, Row
from schemas.errors import InputError

__all__ = ["BadRow", "CatalogSource", "Row", "open_source"]

_TABLES: dict[str, Callable[[Path, RowShape], CatalogSource]] = {
    ".csv": CsvTable,
    ".jsonl": JsonlTable,
    ".parquet": ParquetTable,
}


def open_source(path: Path, shape: RowShape = PLAIN) -> CatalogSource:
    """The source at a path, by its suffix, its columns named and typed by `shape`.

    A folder's own `items.csv` speaks for the folder when it names pictures.

    Raises:
        InputError: there is nothing there, nothing of a known kind, or nothing that can be read; the message says
            which columns were found and which are needed.
    """
    try:
        if path.is_dir():
            return _folder_source(path, shape)
        there = path.is_file()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", code="unreadable") from error
    if not there:
        raise InputError(f"there is no file or folder {path}", code="no_source")
    read = _TABLES.get(path.suffix.lower())
    if read is None:
        kinds = ", ".join(_TABLES)
        raise InputError(
            f"{path} is neither a folder of pictures nor a table of a known kind ({kinds})", code="unknown_source"
        )
    return read(path, shape)


def _folder_source(folder: Path, shape: RowShape) -> CatalogSource:
    table = folder / TABLE
    if table.is_file():
        try:
            found = CsvTable(table, shape)
        except InputError as error:
            if error.code != "bad_columns":
                raise
        else:
            if found.columns.item_id == "item_id" and found.columns.images:
                return found
    return PictureFolder(folder)
