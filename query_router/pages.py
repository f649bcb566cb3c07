"""The API's description as a page, without any outside part."""

from html import escape
from typing import Any

from query_router.curl_examples import HERE
from query_router.schema_words import inline, prose, schema_words


def docs_page(description: dict[str, Any], here: str = HERE) -> str:
    """An OpenAPI document as a page; `here` is the router's address in the examples."""
    parts = [f"<h1>{escape(description['info']['title'])}: the API</h1>"]
    parts.append(
        f"<p>{inline(description['info']['description'])} As OpenAPI: <a href='/openapi.json'>openapi.json</a></p>"
    )
    for path, methods in description["paths"].items():
        parts.extend(_operation(method.upper(), path, operation, here) for method, operation in methods.items())
    parts.append("<h2>Types</h2>")
    for name, schema in description["components"]["schemas"].items():
        parts.append(f"<h3 id='{escape(name)}'>{escape(name)}</h3>{_type_table(schema)}")
    return _page("lookalive: the API", "\n".join(parts))


def _operation(method: str, path: str, operation: dict[str, Any], here: str) -> str:
    rows = [_parameter(one) for one in operation.get("parameters", [])]
    for content_type, content in operation.get("requestBody", {}).get("content", {}).items():
        rows.append((f"body <code>{escape(content_type)}</code>", schema_words(content["schema"])))
    for status, response in operation["responses"].items():
        kinds = ", ".join(schema_words(content["schema"]) for content in response["content"].values())
        rows.append((escape(status), f"{inline(response['description'])}: {kinds}"))
    return (
        f"<h2><code>{method} {escape(path)}</code></h2><p><b>{inline(operation['summary'])}.</b> "
        f"{inline(operation['description'])}</p>{_examples(operation, here)}{_table(rows)}"
    )


def _parameter(parameter: dict[str, Any]) -> tuple[str, str]:
    place = "in the path" if parameter["in"] == "path" else "in the URL"
    schema = parameter.get("schema") or parameter["content"]["application/json"]["schema"]
    as_json = ", as JSON" if "content" in parameter else ""
    return f"<code>{escape(parameter['name'])}</code> {place}{as_json}", schema_words(schema)


def _examples(operation: dict[str, Any], here: str) -> str:
    sources = [sample["source"].replace(HERE, here) for sample in operation["x-codeSamples"]]
    return "".join(f"<pre><code>{escape(source)}</code></pre>" for source in sources)


def _type_table(schema: dict[str, Any]) -> str:
    fields = schema.get("properties", {})
    rows = [(f"<code>{escape(name)}</code>", schema_words(field)) for name, field in fields.items()]
    return f"{prose(schema.get('description', ''))}{_table(rows)}"


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
