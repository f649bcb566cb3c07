"""JSON Schema as a reader's words, in HTML: `text`, `a whole number, 1 to 1000`, a link to a named type."""

import json
import re
from html import escape
from typing import Any

_KINDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "an object",
    "null": "null",
}
_MOST_INT64 = 2**63 - 1


def prose(text: str) -> str:
    """A description as HTML: what stands between backticks is code, an empty line begins a paragraph."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
    return "".join(f"<p>{part.strip()}</p>" for part in re.split(r"\n\s*\n", marked) if part.strip())


def inline(text: str) -> str:
    """One sentence as HTML, with its code marked."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def schema_words(schema: dict[str, Any]) -> str:
    """What a value of this schema is, with its default where it has one that says something."""
    words = _kind(schema)
    if schema.get("description") and "$ref" not in schema and "properties" not in schema:
        words += f": {inline(schema['description'])}"
    if schema.get("default") is not None:
        words += f"; <code>{escape(json.dumps(schema['default']))}</code> unless given"
    return words


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[-1])
        return f"<a href='#{name}'>{name}</a>"
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"<code>{escape(json.dumps(value))}</code>" for value in schema["enum"])
    if "properties" in schema:
        fields = [f"<code>{escape(name)}</code>: {_kind(field)}" for name, field in schema["properties"].items()]
        return "; ".join(fields)
    return _plain(schema)


def _plain(schema: dict[str, Any]) -> str:
    if "contentMediaType" in schema:
        return "a file"
    if schema.get("type") == "array":
        most = f" of up to {schema['maxItems']}" if "maxItems" in schema else ""
        return f"a list{most}, each {_kind(schema.get('items', {}))}"
    if "type" not in schema:
        return "any JSON"
    return _KINDS[schema["type"]] + _range(schema)


def _range(schema: dict[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if most == _MOST_INT64:
        return " of 64 bits"
    if "exclusiveMinimum" in schema:
        return f", more than {schema['exclusiveMinimum']}" + (f", at most {most}" if most is not None else "")
    if least is not None and most is not None:
        return f", {least} to {most}"
    if least is not None:
        return f", at least {least}"
    return f", at most {most}" if most is not None else ""
