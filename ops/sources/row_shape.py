"""How a table's columns are called and typed by whoever loads it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast, get_args

import msgspec

from ops.sources.table_rows import Columns
from schemas.errors import ChangeRejected, InputError

ColumnType = Literal["str", "int", "float", "bool", "json"]
TYPES: tuple[str, ...] = get_args(ColumnType)
_TRUTHS = {"true": True, "t": True, "yes": True, "1": True, "false": False, "f": False, "no": False, "0": False}


class RowShape(msgspec.Struct, frozen=True, kw_only=True):
    """`names` gives columns of the source the names that lookalive knows or that attributes get, `types` (by the new
    names) says what their values are, `attributes` chooses the columns that become attributes, None all of them.

    `base` is the URL that relative paths of pictures lie under; None: the table's own folder.
    """

    names: dict[str, str] = {}
    types: dict[str, ColumnType] = {}
    attributes: tuple[str, ...] | None = None
    base: str | None = None

    def renamed(self, columns: Sequence[str], strict: bool = True) -> list[str]:
        """The columns' new names, in their order.

        Raises:
            InputError: a name is not there (`strict`), or two columns would have the same one.
        """
        missing = [name for name in self.names if name not in columns]
        if missing and strict:
            raise InputError(f"--column: there is no column {', '.join(missing)}; found: {', '.join(columns)}")
        renamed = [self.names.get(name, name) for name in columns]
        twice = sorted({name for name in renamed if name and renamed.count(name) > 1}) if self.names else []
        if twice:
            raise InputError(f"--column: more than one column would be {', '.join(twice)}; rename the others too")
        return renamed

    def chosen(self, columns: Columns, strict: bool = True) -> Columns:
        """The columns with those attributes only that are wanted.

        Raises:
            InputError: one that is wanted is not there (`strict`).
        """
        if self.attributes is None:
            return columns
        missing = [name for name in self.attributes if name not in columns.rest]
        if missing and strict:
            raise InputError(
                f"--attributes: there is no column {', '.join(missing)}; found: {', '.join(columns.rest) or 'none'}"
            )
        return columns._replace(rest=tuple(name for name in columns.rest if name in self.attributes))

    def cast(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row with its typed columns as their types say; empty cells stay empty.

        Raises:
            ChangeRejected: a value is not of its column's type.
        """
        if not self.types:
            return row
        return row | {name: _cast(name, row[name], kind) for name, kind in self.types.items() if name in row}

    def folder(self, table: Path) -> Path | str:
        """Where relative paths of pictures lie."""
        return table.parent if self.base is None else self.base


PLAIN = RowShape()


def parse_shape(columns: Sequence[str], types: Sequence[str], attributes: str | None) -> RowShape:
    """The shape that flags say: `--column item_id=SKU`, `--type price=float`, `--attributes price,color`.

    Raises:
        InputError: a flag is not of that form.
    """
    names = {source: name for name, source in (_pair("--column", text) for text in columns)}
    kinds = dict(_pair("--type", text) for text in types)
    for name, kind in kinds.items():
        if kind not in TYPES:
            raise InputError(f"--type {name}={kind}: a type is one of {', '.join(TYPES)}")
    chosen = None if attributes is None else tuple(name for name in attributes.split(",") if name)
    return RowShape(names=names, types=cast("dict[str, ColumnType]", kinds), attributes=chosen)


def _pair(flag: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise InputError(f"{flag} takes name=value, as in {flag} item_id=SKU or --type price=float, not {text!r}")
    return name, value


def _cast(name: str, value: Any, kind: ColumnType) -> Any:
    text = value.strip() if isinstance(value, str) else value
    if text is None or text == "":
        return None
    try:
        match kind:
            case "str":
                return value if isinstance(value, str) else msgspec.json.encode(value).decode()
            case "int":
                return int(text) if isinstance(text, str) else _whole(text)
            case "float":
                return float(text)
            case "bool":
                return _TRUTHS[str(text).lower()]
            case "json":
                return msgspec.json.decode(text) if isinstance(text, str) else text
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise ChangeRejected(f"`{name}` must be of type {kind}, not {value!r:.60}", code="bad_schema") from error


def _whole(value: Any) -> int:
    if int(value) != value:
        raise ValueError(value)
    return int(value)
