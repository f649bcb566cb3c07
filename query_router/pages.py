"""Two plain pages without any outside part: the API's description, and a form to search with."""

import json
from html import escape
from typing import Any

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1b1b1f;background:#fff}
h1{font-size:1.5rem} h2{font-size:1.1rem;margin-top:2rem} code,pre{font:14px ui-monospace,monospace}
pre{background:#f4f4f6;padding:1rem;overflow:auto} table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #ddd;vertical-align:top}
form{display:flex;gap:1rem;flex-wrap:wrap;align-items:end} label{display:block}
input,button{font:inherit;padding:.3rem} .note{color:#5b5b66}
@media (prefers-color-scheme:dark){body{color:#e6e6ea;background:#18181b} pre{background:#26262b}
td,th{border-color:#3a3a42} .note{color:#a5a5b0} a{color:#9db8ff}}
"""

_HOME = """
<h1>Which items look like this?</h1>
<form id="form">
<label>Picture<br><input type="file" name="image" accept="image/*" required></label>
<label>Filter (JSON, optional)<br><input name="filter" size="32" placeholder='{"price": {"lt": 50}}'></label>
<label>How many<br><input name="k" type="number" min="1" max="1000" value="10"></label>
<button>Search</button>
</form>
<p id="note" class="note" role="status" aria-live="polite">Choose a picture. Or <a href="/docs">read the API</a>.</p>
<table id="hits" hidden><thead><tr><th>#</th><th>item</th><th>score</th><th>attributes</th></tr></thead>
<tbody></tbody></table>
<script>
const form = document.getElementById("form"), note = document.getElementById("note");
const table = document.getElementById("hits");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  table.hidden = true;
  try {
    const query = {k: Number(form.k.value)};
    if (form.filter.value.trim()) query.filter = JSON.parse(form.filter.value);
    const body = new FormData();
    body.append("image", form.image.files[0]);
    body.append("query", JSON.stringify(query));
    note.textContent = "Searching";
    const response = await fetch("/v1/search", {method: "POST", body});
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error.message);
    show(answer);
  } catch (error) {
    note.textContent = "Not found: " + error.message;
  }
});
function show(answer) {
  const rows = answer.items.map((item, n) => {
    const row = document.createElement("tr");
    for (const text of [n + 1, item.item_id, item.score.toFixed(4), JSON.stringify(item.attributes)])
      row.appendChild(document.createElement("td")).textContent = text;
    return row;
  });
  table.tBodies[0].replaceChildren(...rows);
  table.hidden = rows.length === 0;
  const shards = answer.shards;
  note.textContent = [`${rows.length} items in ${answer.took_ms} ms`,
    `${shards.ok} of ${shards.total} shards`, ...answer.warnings].join(" · ");
}
</script>
"""


def home_page() -> str:
    """The page with the form."""
    return _page("lookalive", _HOME)


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
    head = f"<meta charset='utf-8'><meta name='viewport' content='width=device-width'><title>{escape(title)}</title>"
    return f"<!doctype html><html lang='en'><head>{head}<style>{_STYLE}</style></head><body>{body}</body></html>"
