"""Bad input ends as a reject with its reason, odd input as an indexed item, and the stream goes on after each."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.process.conftest import RunningSystem
from tests.process.pictures import data_url, encoded, picture


def huge_png(side: int) -> bytes:
    """A valid PNG header of side x side pixels with hardly any data behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def animated_gif() -> bytes:
    buffer = io.BytesIO()
    frames = [picture(n) for n in range(3)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=50)
    return buffer.getvalue()


def sixteen_bit_png() -> bytes:
    grey = np.asarray(picture(5).convert("L"), dtype=np.uint16) * 257
    return encoded(Image.fromarray(grey))


FILES: dict[str, tuple[bytes | None, str | None]] = {
    "missing": (None, "image_unreachable"),
    "html": (b"<!doctype html><html><body>404</body></html>", "image_unsupported"),
    "empty": (b"", "image_corrupt"),
    "truncated": (encoded(picture(1, (300, 300)), "JPEG")[:2000], "image_corrupt"),
    "bomb": (huge_png(30_000), "image_too_large"),
    "one-pixel": (encoded(Image.new("RGB", (1, 1))), "image_blank"),
    "one-colour": (encoded(Image.new("RGB", (64, 64), (7, 7, 7))), "image_blank"),
    "animated": (animated_gif(), None),
    "cmyk": (encoded(picture(3).convert("CMYK"), "JPEG"), None),
    "sixteen-bit": (sixteen_bit_png(), None),
    "palette": (encoded(picture(4).convert("P")), None),
}
RAW: dict[str, tuple[bytes, bytes | None, str]] = {
    "not-json": (b"{not json", b"raw-1", "bad_json"),
    "no-id": (b'{"op":"upsert","image_url":"file:///x"}', b"raw-2", "bad_id"),
    "wrong-types": (b'{"op":"upsert","item_id":"raw-3","attributes":[]}', b"raw-3", "bad_schema"),
    "unknown-op": (b'{"op":"replace","item_id":"raw-4"}', b"raw-4", "bad_schema"),
    "long-id": (b'{"op":"upsert","item_id":"' + b"x" * 10_000 + b'","image_url":"file:///x"}', b"raw-5", "bad_id"),
    "not-utf8": (b"\xff\xfe\x00", None, "bad_json"),
    "bad-data-url": (
        b'{"op":"upsert","item_id":"raw-7","image_url":"data:image/png;base64,@@@"}',
        b"raw-7",
        "image_corrupt",
    ),
    "other-scheme": (b'{"op":"upsert","item_id":"raw-8","image_url":"ftp://host/x.png"}', b"raw-8", "image_refused"),
}


@pytest.fixture(scope="module")
def rejected(system: RunningSystem, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Everything bad is sent, then something good; when the good is found, all that was refused."""
    folder: Path = tmp_path_factory.mktemp("pictures")
    for name, (data, _) in FILES.items():
        path = folder / f"{name}.img"
        if data is not None:
            path.write_bytes(data)
        system.send({"op": "upsert", "item_id": f"file-{name}", "image_url": path.as_uri()})
    for value, key, _ in RAW.values():
        system.send(value, key)
    system.send(b"", None)
    good = [f"after-{n}" for n in range(12)]
    for item in good:
        system.send({"op": "upsert", "item_id": item, "image_url": data_url(picture(item))})
    system.flush()
    system.eventually(lambda: sorted(system.found(good)), sorted(good))
    wanted = sum(reason is not None for _, reason in FILES.values()) + len(RAW)
    system.eventually(lambda: len(system.lookalive("catalog", "rejects", "--limit", "1000")) >= wanted, True)
    rows: list[dict[str, Any]] = system.lookalive("catalog", "rejects", "--limit", "1000")
    return rows


@pytest.mark.parametrize("name", [n for n, (_, reason) in FILES.items() if reason is not None])
def test_bad_picture_is_rejected_with_its_reason(rejected: list[dict[str, Any]], name: str) -> None:
    rows = [row for row in rejected if row.get("item_id") == f"file-{name}"]
    assert [row["reason"] for row in rows] == [FILES[name][1]]
    assert rows[0]["message"]


@pytest.mark.parametrize("name", [n for n, (_, reason) in FILES.items() if reason is None])
def test_odd_picture_is_indexed(system: RunningSystem, rejected: list[dict[str, Any]], name: str) -> None:
    assert not [row for row in rejected if row.get("item_id") == f"file-{name}"]
    system.eventually(lambda: list(system.found([f"file-{name}"])), [f"file-{name}"])


@pytest.mark.parametrize("name", RAW)
def test_bad_change_is_rejected_with_its_reason(rejected: list[dict[str, Any]], name: str) -> None:
    value, _, reason = RAW[name]
    text = value.decode(errors="replace")
    rows = [row for row in rejected if row.get("original", "") == text or row["reason"] == reason]
    assert reason in [row["reason"] for row in rows]


def test_attribute_may_change_its_type(system: RunningSystem) -> None:
    for version, size in enumerate(["m", 38, ["s", "m"], True, None, {"eu": 38}], start=1):
        change = {"op": "upsert", "item_id": "typed", "image_url": data_url(picture("typed")), "version": version}
        system.send(change | {"attributes": {"size": size}})
        system.flush()
        system.eventually(lambda v=version, s=size: system.found(["typed"]) == {"typed": (v, {"size": s})}, True)


def test_nothing_restarted(system: RunningSystem, rejected: list[dict[str, Any]]) -> None:
    assert rejected
    assert "is started again" not in system.output.read_text()
