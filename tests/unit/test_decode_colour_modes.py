"""Transparency lies on white, print colours are not inverted, deep grey keeps its tones."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from embedder.decode import decode_image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def decoded(data: bytes) -> np.ndarray:
    return decode_image(data, 1_000_000)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparent_pixels_are_white_whatever_colour_hides_in_them(kind: str) -> None:
    pixels = np.zeros((8, 8, 4), dtype=np.uint8)
    pixels[..., 0] = 200
    pixels[:4, :, 3], pixels[4:6, :, 3] = 255, 128
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    result = decoded(encoded(Image.fromarray(pixels), kind, **options))
    assert result[0, 0].tolist() == [200, 0, 0]
    assert np.abs(result[4, 0].astype(int) - [227, 127, 127]).max() <= 1
    assert result[7, 7].tolist() == [255, 255, 255]


def test_grey_with_alpha_lies_on_white() -> None:
    pixels = np.zeros((8, 8, 2), dtype=np.uint8)
    pixels[:4] = (80, 255)
    result = decoded(encoded(Image.fromarray(pixels, "LA"), "PNG"))
    assert (result[0, 0].tolist(), result[7, 0].tolist()) == ([80, 80, 80], [255, 255, 255])


@pytest.mark.parametrize(("kind", "transparency"), [("PNG", 1), ("PNG", b"\xff\x00\xff"), ("GIF", 1)])
def test_a_palette_with_transparency_lies_on_white(kind: str, transparency: int | bytes) -> None:
    image = Image.new("P", (8, 8))
    image.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
    image.putdata([0] * 16 + [1] * 16 + [2] * 32)
    result = decoded(encoded(image, kind, transparency=transparency))
    assert [result[y, 0].tolist() for y in (0, 3, 7)] == [[200, 0, 0], [255, 255, 255], [0, 0, 200]]


def test_a_plain_palette_and_black_and_white_and_grey() -> None:
    image = Image.new("P", (8, 8))
    image.putpalette([1, 2, 3, 4, 5, 6])
    image.putdata([0] * 32 + [1] * 32)
    assert decoded(encoded(image, "PNG"))[7, 7].tolist() == [4, 5, 6]
    assert decoded(encoded(image.convert("L").point(lambda v: v * 40).convert("1"), "PNG")).shape == (8, 8, 3)
    assert decoded(encoded(Image.new("L", (8, 8), 77), "JPEG"))[0, 0].tolist() == [77, 77, 77]


def test_one_transparent_colour_of_a_full_colour_png_is_white() -> None:
    image = Image.new("RGB", (8, 8), (10, 20, 30))
    image.paste((0, 255, 0), (0, 0, 8, 4))
    result = decoded(encoded(image, "PNG", transparency=(0, 255, 0)))
    assert (result[0, 0].tolist(), result[7, 0].tolist()) == ([255, 255, 255], [10, 20, 30])


def test_a_cmyk_jpeg_with_and_without_adobes_marker() -> None:
    # Pillow writes Adobe's marker and, as everybody with it, inverted values
    image = Image.new("RGB", (16, 16), (200, 40, 40)).convert("CMYK")
    data = encoded(image, "JPEG", quality=95)
    assert b"Adobe" in data
    assert np.abs(decoded(data)[8, 8].astype(int) - [200, 40, 40]).max() <= 4


def test_a_ycck_jpeg() -> None:
    """Made of a CMYK one by marking it as YCCK: its inverted inks 255 - c, 128, 128 are then Y, Cb, Cr of grey c."""
    inks = np.zeros((16, 16, 4), dtype=np.uint8)
    ramp = np.linspace(20, 230, 16, dtype=np.uint8)
    inks[..., 0], inks[..., 1], inks[..., 2] = ramp[None, :], 127, 127
    data = encoded(Image.fromarray(inks, "CMYK"), "JPEG", quality=100)
    transform = data.index(b"Adobe") + 11
    assert data[transform] == 0
    result = decoded(data[:transform] + b"\x02" + data[transform + 1 :])
    assert np.abs(result[8].astype(int) - ramp[:, None]).max() <= 3


def test_a_cmyk_tiff_is_not_inverted() -> None:
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    assert decoded(encoded(image, "TIFF"))[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_its_tones(kind: str) -> None:
    values = np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8)
    result = decoded(encoded(Image.fromarray(values), kind))
    np.testing.assert_array_equal(result[..., 0], np.rint(values / 257).astype(np.uint8))
    np.testing.assert_array_equal(result[..., 0], result[..., 2])


def tiff(bits: int, photometric: int, pixels: bytes, order: str = "<") -> bytes:
    """A TIFF of 8 x 8 grey pixels in one strip, laid out by hand (TIFF 6.0, section 3)."""
    tags = [
        (256, 3, 8),
        (257, 3, 8),
        (258, 3, bits),
        (259, 3, 1),
        (262, 3, photometric),
        (273, 4, 200),
        (277, 3, 1),
        (278, 3, 8),
        (279, 4, len(pixels)),
    ]
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8) + struct.pack(f"{order}H", len(tags))
    for tag, kind, value in tags:
        field = struct.pack(f"{order}HH", value, 0) if kind == 3 else struct.pack(f"{order}I", value)
        head += struct.pack(f"{order}HHI", tag, kind, 1) + field
    return (head + bytes(4)).ljust(200, b"\0") + pixels


def test_a_16_bit_tiff_that_counts_from_white_to_black_or_backwards_in_memory() -> None:
    values = np.linspace(0, 65535, 64, dtype=np.uint16)
    wanted = np.rint(values / 257).astype(np.uint8)
    np.testing.assert_array_equal(decoded(tiff(16, 1, values.astype("<u2").tobytes()))[..., 0].ravel(), wanted)
    np.testing.assert_array_equal(decoded(tiff(16, 0, values.astype("<u2").tobytes()))[..., 0].ravel(), wanted[::-1])
    np.testing.assert_array_equal(decoded(tiff(16, 1, values.astype(">u2").tobytes(), ">"))[..., 0].ravel(), wanted)


def test_a_12_bit_tiff_reaches_white() -> None:
    packed = b"\xff\xff\xff" * 16 + b"\0\0\0" * 16
    result = decoded(tiff(12, 1, packed))
    assert (result[0, 0, 0], result[7, 7, 0]) == (255, 0)


@pytest.mark.parametrize("scale", [1.0, 255.0, 65535.0, 1e6])
def test_a_float_tiff_is_scaled_by_the_smallest_usual_range(scale: float) -> None:
    ramp = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    result = decoded(encoded(Image.fromarray((ramp * np.float32(scale)).astype(np.float32)), "TIFF"))
    assert result[0, 0, 0] == 0
    assert result[7, 7, 0] == (255 if scale < 1e6 else 0)
    if scale < 1e6:
        assert np.abs(result[..., 0].astype(float) - ramp * 255).max() <= 0.6


def test_numbers_that_are_none_are_black() -> None:
    values = np.full((8, 8), 0.5, dtype=np.float32)
    values[0] = np.nan
    values[1] = np.inf
    values[2] = -3.0
    result = decoded(encoded(Image.fromarray(values), "TIFF"))
    assert [result[row, 0, 0] for row in (0, 1, 2, 3)] == [0, 0, 0, 128]


def test_a_32_bit_tiff_of_16_bit_values_keeps_its_tones() -> None:
    values = np.linspace(0, 65535, 64, dtype=np.int32).reshape(8, 8)
    result = decoded(encoded(Image.fromarray(values), "TIFF"))
    np.testing.assert_array_equal(result[..., 0], np.rint(values / 257).astype(np.uint8))


def test_a_16_bit_colour_png_keeps_its_high_bytes() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    row = b"\0" + struct.pack(">HHH", 0xC812, 0x2834, 0x1456) * 8
    data = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(row * 8))
        + chunk(b"IEND", b"")
    )
    assert decoded(data)[3, 3].tolist() == [0xC8, 0x28, 0x14]


def test_a_cielab_tiff() -> None:
    image = Image.new("LAB", (8, 8), (138, 128 + 80, 128 + 67))  # L* 54, a* 80, b* 67: the red of sRGB
    assert np.abs(decoded(encoded(image, "TIFF"))[0, 0].astype(int) - [255, 0, 0]).max() <= 12
