"""Values of Kafka Connect that JSON has no type for, told by the schema beside them: decimals and embedded JSON.

Connect's JSON converter writes a decimal as the base64 of its unscaled two's complement; the scale is in the schema
(https://kafka.apache.org/40/javadoc/org/apache/kafka/connect/data/Decimal.html).
"""

import base64
import binascii
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec

from schemas.errors import ChangeRejected


def plain_row(row: dict[str, Any] | None, schema: object, part: str | None) -> dict[str, Any] | None:
    """The row with its decimals as numbers and its JSON columns as JSON; unchanged where no schema came along.

    `part` names the row's field in the envelope's schema; None when the schema is the row's own.

    Raises:
        ChangeRejected: `bad_schema`, when a value is not what its schema says.
    """
    if row is None or not isinstance(schema, dict):
        return row
    plain = dict(row)
    for field in _fields(schema, part):
        column, read = field.get("field"), _READERS.get(str(field.get("name")))
        if read is not None and isinstance(column, str) and plain.get(column) is not None:
            try:
                plain[column] = read(plain[column], field)
            except (ValueError, TypeError, KeyError, ArithmeticError, binascii.Error, RecursionError) as error:
                raise ChangeRejected(
                    f"`{column}` is no {field['name']}, as its schema says: {plain[column]!r:.60} ({error})",
                    code="bad_schema",
                ) from error
    return plain


def _fields(schema: dict[str, Any], part: str | None) -> Iterator[dict[str, Any]]:
    fields = schema.get("fields")
    found = [f for f in fields if isinstance(f, dict)] if isinstance(fields, list) else []
    if part is None:
        yield from found
        return
    for field in found:
        if field.get("field") == part:
            yield from _fields(field, None)


def _decimal(value: Any, field: dict[str, Any]) -> float | int:
    return _number(value, int(field["parameters"]["scale"]))


def _scaled_decimal(value: Any, _field: dict[str, Any]) -> float | int:
    return _number(value["value"], int(value["scale"]))


def _json(value: Any, _field: dict[str, Any]) -> Any:
    return msgspec.json.decode(value)


def _number(text: str, scale: int) -> float | int:
    unscaled = int.from_bytes(base64.b64decode(text, validate=True), "big", signed=True)
    return unscaled if scale == 0 else float(Decimal(unscaled).scaleb(-scale))


_READERS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "org.apache.kafka.connect.data.Decimal": _decimal,
    "io.debezium.data.VariableScaleDecimal": _scaled_decimal,
    "io.debezium.data.Json": _json,
}
