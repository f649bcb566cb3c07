"""Whatever is sent, the answer is JSON of one shape, with a status that fits and never a traceback."""

import asyncio
import io
import json
from typing import Any, cast

import aiohttp
import pytest

from schemas.cluster import ClusterView
from tests.process.pictures import data_url, encoded, picture
from tests.process.router.conftest import SETTINGS, Stage

JSON = {"Content-Type": "application/json"}
MAX_BYTES = SETTINGS.images.max_bytes


def form(boundary: str, *parts: tuple[str, bytes]) -> dict[str, Any]:
    """A form written by hand: the header of each part, and its bytes."""
    body = b"".join(
        b"--" + boundary.encode() + b"\r\n" + head.encode() + b"\r\n\r\n" + data + b"\r\n" for head, data in parts
    )
    return {
        "data": body + b"--" + boundary.encode() + b"--\r\n",
        "headers": {"Content-Type": f"multipart/form-data; boundary={boundary}"},
    }


def part(name: str, filename: str | None = None) -> str:
    return f'Content-Disposition: form-data; name="{name}"' + (f'; filename="{filename}"' if filename else "")


PNG = encoded(picture(1))
FLAT = encoded(picture(1).crop((0, 0, 4, 4)))
BAD_SEARCHES: dict[str, tuple[dict[str, Any], int, str]] = {
    "no body": ({}, 400, "bad_content_type"),
    "text": ({"data": b"hello", "headers": {"Content-Type": "text/plain"}}, 400, "bad_content_type"),
    "form of a browser without a file": ({"data": {"k": "1"}}, 400, "bad_content_type"),
    "JSON as another type": ({"data": b"{}", "headers": {"Content-Type": "image/png"}}, 400, "bad_content_type"),
    "broken JSON": ({"data": b'{"k":', "headers": JSON}, 400, "bad_json"),
    "empty JSON": ({"data": b"", "headers": JSON}, 400, "bad_json"),
    "wrong type": ({"json": {"item_id": "a", "k": "x"}}, 400, "bad_request"),
    "unknown operator": ({"json": {"item_id": "a", "filter": {"p": {"lte!": 1}}}}, 400, "bad_filter"),
    "collapse": ({"json": {"item_id": "a", "collapse": "near_duplicates"}}, 400, "not_supported"),
    "file URL": ({"json": {"image_url": "file:///etc/passwd"}}, 422, "image_refused"),
    "base64 of no image": ({"json": {"image_b64": "aGVsbG8="}}, 422, "image_unsupported"),
    "no base64": ({"json": {"image_b64": "@"}}, 422, "image_corrupt"),
    "huge JSON": ({"data": b" " * (MAX_BYTES * 4 // 3 + 2**20 + 1), "headers": JSON}, 413, "too_large"),
    "huge base64": ({"json": {"image_b64": "A" * (4 * (MAX_BYTES // 3 + 2))}}, 413, "too_large"),
    "form without boundary": ({"data": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "bad_form"),
    "form cut off": (
        {"data": b"--b\r\n" + part("image", "i").encode() + b"\r\n\r\nxx", "headers": form("b")["headers"]},
        400,
        "bad_form",
    ),
    "form that is none": ({"data": b"hello", "headers": form("b")["headers"]}, 400, "bad_form"),
    "form without a picture": (form("b", (part("query"), b"{}")), 400, "bad_request"),
    "empty form": (form("b"), 400, "bad_request"),
    "unknown form field": (form("b", (part("image", "i"), PNG), (part("q"), b"{}")), 400, "bad_request"),
    "part without a name": (form("b", ("Content-Type: image/png", PNG)), 400, "bad_request"),
    "two pictures": (form("b", (part("image", "i"), PNG), (part("image", "j"), PNG)), 400, "bad_request"),
    "form in a form": (
        form("b", ("Content-Type: multipart/mixed; boundary=c", b"--c\r\n\r\nx\r\n--c--")),
        400,
        "bad_request",
    ),
    "options that are no JSON": (form("b", (part("image", "i"), PNG), (part("query"), b"k=1")), 400, "bad_json"),
    "unknown option": (form("b", (part("image", "i"), PNG), (part("query"), b'{"kk":1}')), 400, "bad_request"),
    "unknown transfer encoding": (
        form("b", (part("image", "i") + "\r\nContent-Transfer-Encoding: rot13", PNG)),
        400,
        "bad_form",
    ),
    "empty picture": (form("b", (part("image", "i"), b"")), 422, "image_corrupt"),
    "text as a picture": (form("b", (part("image", "i.png"), b"not a picture")), 422, "image_unsupported"),
    "HTML as a picture": (form("b", (part("image", "i.png"), b"<html></html>")), 422, "image_unsupported"),
    "half a picture": (form("b", (part("image", "i.png"), PNG[: len(PNG) // 2])), 422, "image_corrupt"),
    "tiny picture": (form("b", (part("image", "i.png"), FLAT)), 422, "image_blank"),
    "huge picture": (form("b", (part("image", "i.png"), b"\0" * (MAX_BYTES + 1))), 413, "too_large"),
    "huge options": (form("b", (part("query"), b" " * (2**20 + 1))), 413, "too_large"),
    "huge form": (form("b", (part("image", "i.png"), b"\0" * (MAX_BYTES + 3 * 2**20))), 413, "too_large"),
    "crop of nothing": (
        {"json": {"image_url": data_url(picture(1)), "crop": {"x": 1, "y": 0, "width": 0.1, "height": 1}}},
        400,
        "bad_request",
    ),
}


def check_shape(body: Any, code: str) -> None:
    assert list(body) == ["error"]
    assert set(body["error"]) == {"code", "message", "details"}
    assert body["error"]["code"] == code
    assert body["error"]["message"]
    assert "Traceback" not in json.dumps(body)


@pytest.mark.parametrize("name", BAD_SEARCHES)
async def test_bad_search(stage: Stage, name: str) -> None:
    request, expected, code = BAD_SEARCHES[name]
    if isinstance(request.get("data"), bytes):
        request = request | {"data": io.BytesIO(request["data"])}
    status, body = await stage.ask("POST", "/v1/search", **request)
    assert status == expected, body
    check_shape(body, code)
    assert (await stage.ask("GET", "/healthz"))[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/v1/items/", 404, "not_found"),
        ("GET", "/v1/items/a/b/c", 404, "not_found"),
        ("GET", "/v1/search", 405, "method_not_allowed"),
        ("DELETE", "/healthz", 405, "method_not_allowed"),
        ("PROPFIND", "/v1/search", 405, "method_not_allowed"),
        ("GET", "/v1/items/a/similar?k=0", 400, "bad_request"),
        ("GET", "/v1/items/a/similar?kk=1", 400, "bad_request"),
        ("GET", "/v1/items/a/similar?filter=%7B", 400, "bad_json"),
        ("GET", "/v1/items/a/similar?filter=%FF", 400, "bad_json"),
    ],
)
async def test_wrong_paths_methods_and_parameters(stage: Stage, method: str, path: str, status: int, code: str) -> None:
    answered, body = await stage.ask(method, path)
    assert answered == status, body
    check_shape(body, code)


async def test_method_that_is_not_allowed_names_those_that_are(stage: Stage) -> None:
    async with stage.http.get(stage.url("/v1/search")) as answer:
        assert answer.headers["Allow"] == "POST"


async def test_body_without_a_length_is_cut_off_too(stage: Stage) -> None:
    async def endless() -> Any:
        for _ in range(1000):
            yield b" " * 65536
            await asyncio.sleep(0)

    try:
        status, body = await stage.ask("POST", "/v1/search", data=endless(), headers=JSON)
    except aiohttp.ClientError:
        return  # the router may close the connection while the client still sends
    assert status == 413
    check_shape(body, "too_large")


async def test_bug_of_ours_is_a_500_without_details(stage: Stage) -> None:
    stage.view = cast(ClusterView, "no view at all")
    status, body = await stage.ask("POST", "/v1/search", json={"vector": [1.0] * 64, "generation": "g1"})
    assert status == 500
    check_shape(body, "internal")
    assert "object has no attribute" not in json.dumps(body)
