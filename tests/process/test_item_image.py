"""An item's picture: small, always encoded anew, and never an old one from a cache."""

import io
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from query_router.client import RouterClient
from tests.process.conftest import RunningSystem
from tests.process.pictures import encoded, picture

WAIT: dict[str, Any] = {"wait": True, "timeout_ms": 30_000}


@pytest.fixture
def client(system: RunningSystem) -> Iterator[RouterClient]:
    with RouterClient(system.router) as client:
        yield client


def get(system: RunningSystem, path: str, **headers: str) -> tuple[int, Any, bytes]:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(urllib.request.Request(system.router + path, headers=names), timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def test_thumbnail_is_small_clean_and_not_sent_twice(system: RunningSystem, client: RouterClient) -> None:
    original = encoded(picture("thumb", (900, 600)), "JPEG", exif=b"Exif\0\0secret", comment=b"secret") + b"<script>"
    client.put("thumb", original, **WAIT)
    status, headers, body = get(system, "/v1/items/thumb/image?size=128")
    assert (status, headers["Content-Type"], headers["X-Content-Type-Options"]) == (200, "image/jpeg", "nosniff")
    assert Image.open(io.BytesIO(body)).size == (128, 85)
    assert b"secret" not in body
    assert b"<script>" not in body
    status, again, nothing = get(system, "/v1/items/thumb/image?size=128", If_None_Match=headers["ETag"])
    assert (status, again["ETag"], nothing) == (304, headers["ETag"], b"")
    assert Image.open(io.BytesIO(client.image("thumb", 2048))).size == (900, 600)


def test_replaced_picture_shows_at_once(system: RunningSystem, client: RouterClient) -> None:
    etags = set()
    for seed, colour in (("red", (250, 0, 0)), ("green", (0, 250, 0))):
        image = picture(seed, (64, 64))
        image.paste(colour, (0, 0, 64, 40))
        client.put("repainted", encoded(image), **WAIT)
        _, headers, body = get(system, "/v1/items/repainted/image?size=64")
        etags.add(headers["ETag"])
        pixel = Image.open(io.BytesIO(body)).getpixel((10, 10))
        assert isinstance(pixel, tuple)
        assert all(abs(have - want) < 20 for have, want in zip(pixel, colour, strict=True))
    assert len(etags) == 2


def test_no_picture_to_show_is_404(system: RunningSystem, client: RouterClient, tmp_path: Path) -> None:
    assert get(system, "/v1/items/never-seen/image")[0] == 404
    client.put("pictureless", attributes={"a": 1}, **WAIT)
    assert b'"no_picture"' in get(system, "/v1/items/pictureless/image")[2]
    client.put("gone", encoded(picture("gone")), **WAIT)
    client.delete("gone", **WAIT)
    assert get(system, "/v1/items/gone/image")[0] == 404
    page = tmp_path / "page.html"
    page.write_text("<html><script>alert(1)</script></html>")
    client.put("html", image_url=page.as_uri())
    system.eventually(lambda: client.status("html").phase, "rejected")
    status, headers, body = get(system, "/v1/items/html/image")
    assert (status, headers["Content-Type"].split(";")[0]) == (404, "application/json")
    assert b"alert" not in body


def test_picture_whose_file_is_gone_is_said_to_be(system: RunningSystem, client: RouterClient, tmp_path: Path) -> None:
    file = tmp_path / "moved.png"
    file.write_bytes(encoded(picture("moved")))
    client.put("moved", image_url=file.as_uri(), **WAIT)
    file.unlink()
    status, _, body = get(system, "/v1/items/moved/image")
    assert status == 404
    assert b'"picture_gone"' in body
    assert client.item("moved").item_id == "moved"


@pytest.mark.parametrize("size", ["63", "0", "-1", "100000", "x", "64&size=128", "64&w=3"])
def test_other_sizes_are_refused(system: RunningSystem, size: str) -> None:
    assert get(system, f"/v1/items/any/image?size={size}")[0] == 400
