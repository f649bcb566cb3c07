"""The API's description as a page, without any outside part."""

import json
from html import escape
from typing import Any


def docs_page(description: dict[str, Any]) -> str:
    """An OpenAPI document as a page."""
    parts = [f"<h1>{escape(description['info']['title'])}: the API</h1>"]
    parts.append(
        f"<p>{escape(description['info']['description'])} As OpenAPI: <a href='/openapi.json'>openapi.json</a></p>"
    )
    for path, methods in description["paths"].items():
        parts.extend(_operation(method.upper(), path, operation) for method, operation in methods.items())
    parts.append("<h2>Types</h2>")
    for name, schema in description["components"]["schemas"].items():
        parts.append(f"<h3 id='{escape(name)}'>{escape(name)}</h3>{_type_table(schema)}")
    return _page("lookalive: the API", "\n".join(parts))


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    rows = [(f"<code>{escape(p['name'])}</code>", f"in {p['in']}") for p in operation.get("parameters", [])]
    for content_type, content in operation.get("requestBody", {}).get("content", {}).items():
        rows.append((f"body <code>{escape(content_type)}</code>", _type_name(content["schema"])))
    for status, response in operation["responses"].items():
        kinds = ", ".join(_type_name(content["schema"]) for content in response["content"].values())
        rows.append((escape(status), f"{escape(response['description'])}: {kinds}"))
    return (
        f"<h2><code>{method} {escape(path)}</code></h2><p><b>{escape(operation['summary'])}.</b> "
        f"{escape(operation['description'])}</p>{_table(rows)}"
    )


def _type_table(schema: dict[str, Any]) -> str:
    fields = schema.get("properties", {})
    rows = [(f"<code>{escape(name)}</code>", _type_name(field)) for name, field in fields.items()]
    return f"<p>{escape(schema.get('description', ''))}</p>{_table(rows)}"


def _type_name(schema: dict[str, Any]) -> str:
    """A schema in short: a link to a named type, the kinds of a choice, or the schema itself."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[-1])
        return f"<a href='#{name}'>{name}</a>"
    if "anyOf" in schema:
        return " or ".join(_type_name(one) for one in schema["anyOf"])
    return f"<code>{escape(json.dumps(schema) if schema else 'any JSON')}</code>"


def _table(rows: list[tuple[str, str]]) -> str:
    lines = "".join(f"<tr><td>{left}</td><td>{right}</td></tr>" for left, right in rows)
    return f"<table>{lines}</table>" if rows else ""


def _page(title: str, body: str) -> str:
    head = (
        "<meta charset='utf-8'><meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><link rel='icon' href='/web/icon.svg'>"
        "<link rel='stylesheet' href='/web/docs.css'>"
    )
    return f"<!doctype html><html lang='en'><head>{head}</head><body><main>{body}</main></body></html>"
