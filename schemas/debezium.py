"""Debezium's events as catalogue changes: the envelope, the unwrapped row, tombstones, and the mapping of columns.

An envelope is `{"before": row, "after": row, "source": {...}, "op": "c|u|r|d|t"}`, alone or as the `payload` beside
Connect's `schema`; an unwrapped row is what the transformation ExtractNewRecordState leaves, with `__deleted` or `__op`
in it (https://debezium.io/documentation/reference/stable/connectors/postgresql.html#postgresql-events).
A row is the whole item: its attributes replace the item's, and a null picture clears it.
"""

from typing import Any, NamedTuple
from urllib.parse import urlparse

import msgspec

from schemas.changes import CatalogChange, decode_change, iso_time
from schemas.connect_values import plain_row
from schemas.errors import ChangeRejected, SettingsError
from schemas.settings import DebeziumSettings

UNAVAILABLE = "__debezium_unavailable_value"
_ROW_OPS = ("c", "u", "r")
_OTHER_OPS = {
    "t": "a truncate names no items: delete them with `catalog load --prune`, or have the connector skip truncates "
    "(skipped.operations=t)",
    "m": "a logical decoding message is no change of a row: route it elsewhere",
}
_UNSET = (None, False, 0, "", "0", "false", "f", "no", "n")
_FILE_BITS = 40

_decoder = msgspec.json.Decoder()


class RowEvent(NamedTuple):
    """One event: `row` is the row after it, or before it where it is a delete."""

    deletes: bool
    row: dict[str, Any] | None
    source: dict[str, Any]
    before: dict[str, Any] | None = None


class ChangeDecoder:
    """Decodes records of `catalog.changes`: changes in the contract's form, and Debezium's where columns are mapped."""

    def __init__(self, mapping: DebeziumSettings) -> None:
        """Raises SettingsError where the mapping would lose the order of changes."""
        if mapping.event_time and not mapping.version:
            raise SettingsError(
                "LOOKALIVE_DEBEZIUM__EVENT_TIME needs LOOKALIVE_DEBEZIUM__VERSION (source.lsn, say): by the database's "
                "time alone, a row that is deleted and made again would lose against the tombstone between them"
            )
        self._mapping = mapping
        pairs = [name.partition(":") for name in mapping.attributes if name != "*"]
        self._named = {column: attribute or column for column, _, attribute in pairs}
        self._all_others = "*" in mapping.attributes
        taken = (mapping.item_id, *mapping.images, mapping.version, mapping.event_time, mapping.deleted)
        self._taken = frozenset(taken)

    def __call__(self, value: bytes | None, key: bytes | None) -> CatalogChange:
        """The change of a record.

        Raises:
            ChangeRejected: `bad_json`, `bad_id` or `bad_schema`, with a sentence saying what was expected.
        """
        if value is None:
            return self._tombstone(key)
        try:
            return decode_change(value, key)
        except ChangeRejected as refusal:
            if refusal.code != "bad_schema":
                raise
            document = _document(value)
            if document is None:
                raise
            if not self._mapping.item_id:
                raise ChangeRejected(
                    "this is an event of Debezium, but no columns are mapped: set LOOKALIVE_DEBEZIUM__ITEM_ID to the "
                    "column of the item's id, LOOKALIVE_DEBEZIUM__IMAGES to those of its pictures",
                    code="bad_schema",
                ) from refusal
        event = read_event(document)
        return self._tombstone(key) if event is None else self._change(event, key)

    def _tombstone(self, key: bytes | None) -> CatalogChange:
        """A null value under Debezium's key, a struct of the primary key's columns, deletes that row's item."""
        row = _key_row(key) if self._mapping.item_id else None
        if row is None:
            return decode_change(None, key)
        return _checked({"op": "delete", "item_id": self._item_id(row, "the key")})

    def _change(self, event: RowEvent, key: bytes | None) -> CatalogChange:
        mapping = self._mapping
        if event.row is None:
            if not event.deletes:
                raise ChangeRejected("`after` must hold the row as it is now, and it is null", code="bad_schema")
            return self._tombstone(key)
        item_id = self._item_id(event.row, "`before`" if event.deletes else "`after`")
        wire: dict[str, Any] = {"op": "delete", "item_id": item_id}
        if mapping.version:
            wire["version"] = _version(mapping.version, event)
        if mapping.event_time:
            wire["event_time"] = _time(mapping.event_time, event)
        if event.deletes or (mapping.deleted and _column(event.row, mapping.deleted) not in _UNSET):
            return _checked(wire)
        self._check_same_item(event, item_id)
        wire["op"] = "upsert"
        wire["image_urls"] = self._images(event.row)
        wire["attributes"] = self._attributes(event.row)
        return _checked(wire)

    def _item_id(self, row: dict[str, Any], where: str) -> str:
        column = self._mapping.item_id
        value = row.get(column)
        if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
            return str(value)
        found = f"holds {value!r:.60} there" if column in row else f"has the columns {', '.join(row) or 'none'}"
        raise ChangeRejected(
            f"{where} should name the item in the column `{column}` (LOOKALIVE_DEBEZIUM__ITEM_ID), but {found}; for a "
            "column outside the primary key set REPLICA IDENTITY FULL, and message.key.columns in the connector",
            code="bad_id",
        )

    def _check_same_item(self, event: RowEvent, item_id: str) -> None:
        """A row that becomes another item is two changes, which Debezium sends where the item's id is its key."""
        before = None if event.before is None else event.before.get(self._mapping.item_id)
        if before is not None and str(before) != item_id:
            raise ChangeRejected(
                f"the item's id became {item_id!r:.80} and was {before!r:.80}: set message.key.columns to "
                f"`{self._mapping.item_id}`, so that Debezium sends a delete and a create",
                code="bad_schema",
            )

    def _images(self, row: dict[str, Any]) -> list[str] | None:
        """The item's pictures; None, which keeps those it has, when the database did not send a column along."""
        if not self._mapping.images:
            return None
        references: list[str] = []
        for column in self._mapping.images:
            value = _column(row, column)
            if value == UNAVAILABLE:
                return None
            if isinstance(value, str) and value.lstrip().startswith("["):
                value = _json_list(value, column)
            for one in value if isinstance(value, list) else [value]:
                if one is not None and not isinstance(one, str):
                    raise ChangeRejected(f"`{column}` must hold pictures' URLs, not {one!r:.60}", code="bad_schema")
                if one:
                    references.append(one if urlparse(one).scheme else self._mapping.image_base + one)
        return references

    def _attributes(self, row: dict[str, Any]) -> dict[str, Any] | None:
        names = dict(self._named)
        if self._all_others:
            others = (c for c in row if c not in self._taken and c not in names and not c.startswith("__"))
            names |= {column: column for column in others}
        attributes = {attribute: _column(row, column) for column, attribute in names.items()}
        if (late := next((a for a, value in attributes.items() if value == UNAVAILABLE), None)) is not None:
            raise ChangeRejected(
                f"the database did not send `{late}` along, as it did not change: set REPLICA IDENTITY FULL, or leave "
                "it out of LOOKALIVE_DEBEZIUM__ATTRIBUTES",
                code="bad_schema",
            )
        return {name: value for name, value in attributes.items() if value is not None} if names else None


def _document(value: bytes) -> dict[str, Any] | None:
    """The JSON object of one of Debezium's events, of whatever shape; None for anything else."""
    try:
        document = _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    wrapped = "schema" in document and "payload" in document
    envelope = "op" in document and ("before" in document or "after" in document)
    return document if wrapped or envelope or document.keys() & {"__deleted", "__op"} else None


def read_event(document: dict[str, Any]) -> RowEvent | None:
    """The event of a document that is Debezium's; None for a tombstone inside Connect's wrapper.

    Raises:
        ChangeRejected: `bad_schema`, when it is none that changes a row.
    """
    schema = None
    if "payload" in document and "schema" in document:
        schema, document = document["schema"], document["payload"]
        if document is None:
            return None
        if not isinstance(document, dict):
            raise ChangeRejected(f"`payload` must be an object, not {document!r:.60}", code="bad_schema")
    if "op" not in document or not ("before" in document or "after" in document):
        return _unwrapped(document, schema)
    op = document["op"]
    if op not in (*_ROW_OPS, "d"):
        said = _OTHER_OPS.get(op) if isinstance(op, str) else None
        raise ChangeRejected(said or f"`op` must be one of c, u, r and d, not {op!r:.60}", code="bad_schema")
    rows = {name: plain_row(_object(document, name), schema, name) for name in ("before", "after")}
    deletes = op == "d"
    source = _object(document, "source") or {}
    # The envelope's own times stand beside the source's: `ts_ms` is when the connector saw the change.
    times = {name: value for name, value in document.items() if name.startswith("ts_")}
    return RowEvent(deletes, rows["before" if deletes else "after"], times | source, rows["before"])


def _unwrapped(row: dict[str, Any], schema: object) -> RowEvent:
    """A row with its metadata in it: `add.fields=op,source.lsn`, `delete.tombstone.handling.mode=rewrite`."""
    source = {name.removeprefix("__source_"): v for name, v in row.items() if name.startswith("__source_")}
    deletes = str(row.get("__deleted")).lower() == "true" or row.get("__op") == "d"
    return RowEvent(deletes, plain_row(row, schema, None), source)


def _object(document: dict[str, Any], name: str) -> dict[str, Any] | None:
    value = document.get(name)
    if value is not None and not isinstance(value, dict):
        raise ChangeRejected(f"`{name}` must be an object or null, not {value!r:.60}", code="bad_schema")
    return value


def _key_row(key: bytes | None) -> dict[str, Any] | None:
    """The columns of a key that is a JSON struct, with or without Connect's wrapper; None for any other key."""
    if not key or not key.lstrip().startswith(b"{"):
        return None
    try:
        document = _decoder.decode(key)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    wrapped = isinstance(document, dict) and "schema" in document and isinstance(document.get("payload"), dict)
    row = document["payload"] if wrapped else document
    return row if isinstance(row, dict) else None


def _column(row: dict[str, Any], name: str) -> Any:
    if name not in row:
        raise ChangeRejected(
            f"the row has no column `{name}`, which LOOKALIVE_DEBEZIUM__ settings name; it has {', '.join(row)}",
            code="bad_schema",
        )
    return row[name]


def _field(path: str, event: RowEvent) -> Any:
    """What a setting such as `updated_at` or `source.lsn` points to."""
    head, dot, name = path.partition(".")
    held = event.source if dot and head == "source" else event.row or {}
    name = name if held is event.source else path
    if name not in held or held[name] is None:
        raise ChangeRejected(
            f"the event has no `{path}`, which LOOKALIVE_DEBEZIUM__ settings name; it has {', '.join(held) or 'none'}",
            code="bad_schema",
        )
    return held[name]


def _version(path: str, event: RowEvent) -> int:
    """A whole number; a position in MySQL's binary log counts on from the number of its file."""
    value = _whole(path, _field(path, event))
    file = event.source.get("file")
    if path == "source.pos" and isinstance(file, str):
        number = file.rpartition(".")[2]
        return (int(number) << _FILE_BITS) + value if number.isascii() and number.isdigit() else value
    return value


def _time(path: str, event: RowEvent) -> str:
    """ISO 8601; a number is seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by its size."""
    value = _field(path, event)
    if isinstance(value, str) and not value.strip().isdigit():
        return value
    number = _whole(path, value)
    for digits, per_us in ((11, 1_000_000), (14, 1_000), (17, 1)):
        if abs(number) < 10**digits:
            return iso_time(number * per_us)
    return iso_time(number // 1_000)


def _whole(path: str, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) < 30 and value.strip().isascii() and value.strip().isdigit():
        return int(value)
    raise ChangeRejected(f"`{path}` must be a whole number, not {value!r:.60}", code="bad_schema")


def _json_list(text: str, column: str) -> Any:
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ChangeRejected(f"`{column}` begins like a JSON list and is none: {error}", code="bad_schema") from error


def _checked(wire: dict[str, Any]) -> CatalogChange:
    try:
        return decode_change(msgspec.json.encode(wire), None)
    except (OverflowError, RecursionError) as error:
        raise ChangeRejected(f"the row cannot be kept: {error}", code="bad_schema") from error
