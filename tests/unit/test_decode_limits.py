"""A picture with too many pixels is refused by its header, before anything is decoded."""

import io
import struct
import tracemalloc
import zlib

import pytest
from PIL import Image

from embedder.decode import decode_image
from schemas.errors import ImageRejected

MAX_PIXELS = 64_000_000


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int) -> bytes:
    """A whole, valid PNG of one bit per pixel, all black; well compressed."""
    rows = zlib.compressobj(9)
    line = bytes(1 + (width + 7) // 8)
    body = b"".join(rows.compress(line) for _ in range(height)) + rows.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def code_of(data: bytes, max_pixels: int = MAX_PIXELS) -> str:
    with pytest.raises(ImageRejected) as caught:
        decode_image(data, max_pixels)
    return caught.value.code


def test_a_png_of_30000_by_30000_is_refused_without_room_for_it() -> None:
    data = png(30_000, 30_000)
    tracemalloc.start()
    try:
        assert code_of(data) == "image_too_large"
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "AVIF"])
def test_the_cap_holds_to_the_pixel_in_every_format(kind: str) -> None:
    out = io.BytesIO()
    Image.radial_gradient("L").resize((40, 25)).convert("RGB").save(out, kind)
    assert decode_image(out.getvalue(), 1000).shape == (25, 40, 3)
    assert code_of(out.getvalue(), 999) == "image_too_large"


def test_pillows_own_guard_does_not_stand_in_the_way_of_a_larger_cap() -> None:
    data = png(10_000, 9_000)
    assert decode_image(data, 100_000_000).shape == (9_000, 10_000, 3)


def test_a_gif_whose_frame_is_larger_than_its_screen() -> None:
    screen = b"GIF89a" + struct.pack("<HHBBB", 10, 10, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0) + b"\x02\x02\x4c\x01\x00;"
    assert code_of(screen + frame) == "image_too_large"


def test_a_webp_canvas_of_the_largest_size() -> None:
    vp8x = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (16383).to_bytes(3, "little") * 2
    frame = b"VP8L" + struct.pack("<I", 6) + b"\x2f" + bytes(5)
    body = b"WEBP" + vp8x + frame
    assert code_of(b"RIFF" + struct.pack("<I", len(body)) + body) in {"image_too_large", "image_corrupt"}


def test_one_pixel_is_a_picture() -> None:
    assert decode_image(png(1, 1), MAX_PIXELS).shape == (1, 1, 3)


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0)])
def test_no_pixels_are_no_picture(width: int, height: int) -> None:
    assert code_of(png(width, height)) == "image_corrupt"
