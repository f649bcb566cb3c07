"""Whatever is sent as a change, the answer names what does not fit, and nothing is written."""

import io
from typing import Any

import aiohttp
import pytest

from tests.process.pictures import data_url, encoded, picture
from tests.process.router.conftest import SETTINGS, Stage

MAX_BYTES = SETTINGS.images.max_bytes
PNG = encoded(picture(1))
HUGE = io.BytesIO(b" " * (MAX_BYTES * 4 // 3 + 2**20 + 1))
JSON = {"Content-Type": "application/json"}


def form(*parts: tuple[str, bytes]) -> dict[str, Any]:
    fields = aiohttp.FormData()
    for name, data in parts:
        fields.add_field(name, data, filename=name, content_type="application/octet-stream")
    return {"data": fields}


BAD: dict[str, tuple[str, str, dict[str, Any], int, str]] = {
    "no body": ("PUT", "/a", {}, 400, "bad_content_type"),
    "text": ("PUT", "/a", {"data": b"x", "headers": {"Content-Type": "text/plain"}}, 400, "bad_content_type"),
    "broken JSON": ("PUT", "/a", {"data": b"{", "headers": JSON}, 400, "bad_json"),
    "a list for one": ("PUT", "/a", {"json": []}, 400, "bad_request"),
    "unknown field": ("PUT", "/a", {"json": {"atributes": {}}}, 400, "bad_request"),
    "op in the body": ("PUT", "/a", {"json": {"op": "delete"}}, 400, "bad_request"),
    "id in the body": ("PUT", "/a", {"json": {"item_id": "b"}}, 400, "bad_request"),
    "wrong type": ("PUT", "/a", {"json": {"version": "x"}}, 400, "bad_request"),
    "version too large": (
        "PUT",
        "/a",
        {"data": b'{"version": 9223372036854775808}', "headers": JSON},
        400,
        "bad_request",
    ),
    "time without zone": ("PUT", "/a", {"json": {"event_time": "2026-01-01T00:00:00"}}, 400, "bad_schema"),
    "both ways": ("PUT", "/a", {"json": {"image_url": "file:///x", "image_urls": []}}, 400, "bad_schema"),
    "nine pictures": ("PUT", "/a", {"json": {"image_urls": ["file:///x"] * 9}}, 400, "bad_request"),
    "long id": ("PUT", "/" + "x" * 513, {"json": {}}, 400, "bad_id"),
    "large attributes": ("PUT", "/a", {"json": {"attributes": {"a": "x" * 70_000}}}, 400, "bad_schema"),
    "data URL of no image": (
        "PUT",
        "/a",
        {"json": {"image_url": "data:text/html;base64,AA=="}},
        422,
        "image_unsupported",
    ),
    "large data URL": ("PUT", "/a", {"json": {"image_url": data_url(picture(1)) + "A" * 270_000}}, 413, "too_large"),
    "huge JSON": ("PUT", "/a", {"data": HUGE, "headers": JSON}, 413, "too_large"),
    "form without a picture": ("PUT", "/a", form(("change", b"{}")), 400, "bad_request"),
    "unknown part": ("PUT", "/a", form(("image", PNG), ("query", b"{}")), 400, "bad_request"),
    "two changes": ("PUT", "/a", form(("image", PNG), ("change", b"{}"), ("change", b"{}")), 400, "bad_request"),
    "picture twice": ("PUT", "/a", form(("image", PNG), ("change", b'{"image_url": "file:///x"}')), 400, "bad_schema"),
    "nine uploads": ("PUT", "/a", form(*[("image", PNG)] * 9), 400, "bad_schema"),
    "huge upload": ("PUT", "/a", form(("image", b"\0" * (MAX_BYTES + 1))), 413, "too_large"),
    "patch without attributes": ("PATCH", "/a", {"json": {}}, 400, "bad_request"),
    "patch with a picture": ("PATCH", "/a", {"json": {"attributes": {}, "image_url": "file:///x"}}, 400, "bad_request"),
    "patch as a form": ("PATCH", "/a", form(("image", PNG)), 400, "bad_schema"),
    "delete with attributes": ("DELETE", "/a", {"json": {"attributes": {}}}, 400, "bad_request"),
    "unknown wait": ("PUT", "/a?wait=embedded", {"json": {}}, 400, "bad_request"),
    "bad timeout": ("PUT", "/a?wait=searchable&timeout_ms=0", {"json": {}}, 400, "bad_request"),
    "unknown parameter": ("DELETE", "/a?force=1", {}, 400, "bad_request"),
    "no list": ("POST", "", {"json": {"op": "delete", "item_id": "a"}}, 400, "bad_request"),
    "list as a form": ("POST", "", form(("image", PNG)), 400, "bad_content_type"),
    "put without id": ("PUT", "", {"json": {}}, 405, "method_not_allowed"),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_change_is_refused(stage: Stage, name: str) -> None:
    method, path, extra, expected, code = BAD[name]
    status, body = await stage.ask(method, f"/v1/items{path}", **extra)
    assert (status, body["error"]["code"]) == (expected, code)
    assert body["error"]["message"]
