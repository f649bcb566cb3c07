"""Rows of tables: from a mapping of column to value to the change it stands for."""

import math
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote_from_bytes

import msgspec

from schemas.changes import CatalogChange, decode_change
from schemas.errors import ChangeRejected, InputError

ID_COLUMNS = ("item_id", "id", "sku")
URL_COLUMNS = ("image_url", "image_urls")
PATH_COLUMNS = ("image", "path")
CONTROL_COLUMNS = ("op", "version", "event_time", "attributes")

_URL = re.compile(r"[a-z][a-z0-9+.-]*://|data:|file:/", re.IGNORECASE)
_WHOLE = re.compile(r"-?[0-9]{1,20}(?:\.0)?")
_SAFE_INTEGER = 2**53


class Columns(NamedTuple):
    """Which column is what. `rest` become attributes unless a column `attributes` holds them."""

    item_id: str
    images: tuple[str, ...]
    rest: tuple[str, ...]
    has_attributes: bool
    has_op: bool


def find_columns(names: Collection[str]) -> Columns:
    """The meaning of a table's columns.

    The first of `item_id`, `id`, `sku` is the id; pictures are in `image_url` or `image_urls`, else in `image`, else in
    `path`. Columns of these names that are not needed are attributes like any other.

    Raises:
        InputError: there is no column of ids, or none of pictures (a table with `op` may do without).
    """
    found = ", ".join(names) or "none"
    item_id = next((name for name in ID_COLUMNS if name in names), None)
    if item_id is None:
        raise InputError(f"one of the columns {', '.join(ID_COLUMNS)} is needed; found: {found}", code="bad_columns")
    images = tuple(name for name in URL_COLUMNS if name in names)
    images = images or tuple(name for name in PATH_COLUMNS if name in names)[:1]
    if not images and "op" not in names:
        needed = ", ".join(URL_COLUMNS + PATH_COLUMNS)
        raise InputError(f"one of the columns {needed} is needed, or op; found: {found}", code="bad_columns")
    taken = {item_id, *images, *CONTROL_COLUMNS}
    rest = tuple(name for name in names if name not in taken)
    return Columns(item_id, images, rest, "attributes" in names, "op" in names)


def row_change(columns: Columns, row: Mapping[str, Any], folder: Path | str) -> CatalogChange:
    """The change of one row of JSON values, checked as every other change is. Null means that a cell is empty.

    Relative paths of pictures lie under `folder`: an absolute path, or a URL. Without a column `op` a row is an upsert
    and needs a picture; with one, an upsert without a picture keeps the one its item has.

    Raises:
        ChangeRejected: the row is no change.
    """
    op = _present(row.get("op")) or "upsert"
    wire: dict[str, Any] = {"op": op, "item_id": _item_id(row.get(columns.item_id), columns.item_id)}
    if op != "delete":
        images = _images(columns, row, folder)
        if not images and not columns.has_op:
            raise ChangeRejected(f"`{columns.images[0]}` is empty", code="bad_schema")
        if images is not None:
            wire["image_urls"] = images
        wire["attributes"] = _attributes(columns, row)
    wire["version"] = _integer(row.get("version"), "version")
    wire["event_time"] = _event_time(row.get("event_time"))
    return checked_change(wire)


def checked_change(wire: Mapping[str, Any]) -> CatalogChange:
    """The change of a JSON object in the contract's form; ChangeRejected when it is none."""
    try:
        value = msgspec.json.encode(wire)
    except UnicodeEncodeError as error:
        raise ChangeRejected("the row's text is not UTF-8", code="bad_schema") from error
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ChangeRejected(f"the row cannot be written as JSON: {error}", code="bad_schema") from error
    return decode_change(value, None)


def image_reference(text: str, folder: Path | str) -> str:
    """A picture's URL: URLs as they are; anything else is a path under `folder`, as a URL of the folder's kind."""
    if _URL.match(text.strip()):
        return text.strip()
    if "\0" in text:
        raise ChangeRejected("the picture's path holds a null character", code="bad_schema")
    if isinstance(folder, str):
        return f"{folder.rstrip('/')}/{_quoted(text.strip().lstrip('/'))}"
    return file_url(folder / text)


def absolute_path(path: Path) -> Path:
    """The path from the root; where it has `..`, as the file system resolves it, else with its links as they are."""
    return path.resolve() if ".." in path.parts else path.absolute()


def file_url(path: Path) -> str:
    """The file: URL of an absolute path, byte for byte (RFC 8089); links and `..` stay as they are.

    Raises:
        ChangeRejected: the path holds characters that no file name can have.
    """
    return "file://" + _quoted(path)


def _quoted(path: str | Path) -> str:
    try:
        return quote_from_bytes(os.fsencode(path))
    except UnicodeEncodeError as error:
        raise ChangeRejected("the picture's path is not valid Unicode", code="bad_schema") from error


def _images(columns: Columns, row: Mapping[str, Any], folder: Path | str) -> list[str] | None:
    held = [value for name in columns.images if (value := _present(row.get(name))) is not None]
    if not held:
        return None
    if len(held) > 1:
        raise ChangeRejected(f"fill {' or '.join(columns.images)}, not both", code="bad_schema")
    value = held[0]
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = _json(value, "the list of pictures")
    references = []
    for one in value if isinstance(value, list) else [value]:
        if not isinstance(one, str) or not one.strip():
            raise ChangeRejected(f"a picture is a path or a URL, not {one!r:.60}", code="bad_schema")
        references.append(image_reference(one, folder))
    return references


def _attributes(columns: Columns, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """None, which keeps what an item has, where the table has nothing to say about attributes."""
    if not columns.has_attributes:
        rest = {name: value for name in columns.rest if (value := row.get(name)) is not None}
        return rest if columns.rest else None
    value = _present(row.get("attributes"))
    if isinstance(value, str):
        value = _json(value, "`attributes`")
    if value is not None and not isinstance(value, dict):
        raise ChangeRejected(f"`attributes` must be a JSON object, not {value!r:.60}", code="bad_schema")
    return value


def _json(text: str, what: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise ChangeRejected(f"{what} is not JSON: {error}", code="bad_schema") from error


def _item_id(value: object, column: str) -> object:
    """Whole numbers are taken too: ids that are numbers in every row are numbers in many tables."""
    value = _present(value)
    if value is None:
        raise ChangeRejected(f"`{column}` is empty", code="bad_id")
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _integer(value: object, name: str) -> int | None:
    """Whole floats are taken too: a column of integers with gaps is one of floats in many tables."""
    value = _present(value)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < _SAFE_INTEGER:
        return int(value)
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value.strip().removesuffix(".0"))
    raise ChangeRejected(f"`{name}` must be a whole number, not {value!r:.60}", code="bad_schema")


def _event_time(value: object) -> str | None:
    value = _present(value)
    return None if value is None else str(value).strip()


def _present(value: object) -> Any:
    """The value, or None for what a table writes in an empty cell."""
    if isinstance(value, str) and not value.strip():
        return None
    return None if isinstance(value, float) and math.isnan(value) else value
