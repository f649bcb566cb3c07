"""One command per route, to be pasted into a shell."""

HERE = "http://127.0.0.1:8080"
_JSON = "-H 'Content-Type: application/json'"
_ITEM, _FILE = "mug-1", "page.css"
_EXAMPLES = {
    ("POST", "/v1/search"): """curl -F image=@photo.jpg -F 'query={"k": 5, "filter": {"price": {"lt": 50}}}' '{url}'""",
    ("GET", "/v1/items/{item_id}/similar"): "curl '{url}?k=5'",
    ("PUT", "/v1/items/{item_id}"): (
        """curl -X PUT -F image=@mug.jpg -F 'change={"attributes": {"price": 9}}' '{url}?wait=searchable'"""
    ),
    ("PATCH", "/v1/items/{item_id}"): (
        f"curl -X PATCH {_JSON} -d " """'{"attributes": {"in_stock": false}}' '{url}?wait=searchable'"""
    ),
    ("DELETE", "/v1/items/{item_id}"): "curl -X DELETE '{url}?wait=searchable'",
    ("POST", "/v1/items"): (
        f"curl {_JSON} -d "
        """'[{"op": "patch", "item_id": "mug-1", "attributes": {"price": 8}}, {"op": "delete", "item_id": "mug-2"}]' """
        "'{url}'"
    ),
    ("GET", "/v1/items/{item_id}/image"): "curl -o mug.jpg '{url}?size=256'",
    ("GET", "/v1/live"): "curl -N {url}",
}


def curl_example(method: str, path: str, base: str = HERE) -> str:
    """A command that calls this route of the router at `base`."""
    url = base + path.replace("{item_id}", _ITEM).replace("{file}", _FILE)
    return _EXAMPLES.get((method, path), "curl {url}").replace("{url}", url)
