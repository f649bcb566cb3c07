"""Every allowed format decodes to upright 8-bit RGB of its first frame."""

import io

import numpy as np
import pytest
from PIL import Image

from embedder.decode import decode_image

MAX_PIXELS = 1_000_000


@pytest.fixture
def picture() -> Image.Image:
    """Four quarters of plain colours: lossy formats keep them closely."""
    pixels = np.zeros((48, 64, 3), dtype=np.uint8)
    pixels[:24, :32], pixels[:24, 32:], pixels[24:, :32], pixels[24:, 32:] = (
        (200, 30, 30),
        (30, 180, 40),
        (40, 50, 210),
        (230, 220, 210),
    )
    return Image.fromarray(pixels)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("TIFF", {"compression": "jpeg", "quality": 95}, 12),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 90}, 16),
        ("JPEG", {"quality": 95, "subsampling": 0}, 12),
        ("JPEG", {"quality": 95, "subsampling": 0, "progressive": True}, 12),
        ("GIF", {}, 8),
        ("AVIF", {"quality": 95}, 16),
    ],
)
def test_a_format_gives_the_picture(
    picture: Image.Image, kind: str, options: dict[str, object], tolerance: int
) -> None:
    pixels = decode_image(encoded(picture, kind, **options), MAX_PIXELS)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (48, 64, 3)
    for y, x in ((10, 10), (10, 50), (40, 10), (40, 50)):  # off the edges, where lossy formats ring
        difference = pixels[y, x].astype(int) - np.asarray(picture)[y, x].astype(int)
        assert np.abs(difference).max() <= tolerance


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_an_animation_gives_its_first_frame(picture: Image.Image, kind: str) -> None:
    other = Image.new("RGB", picture.size, (0, 0, 0))
    lossless = {"lossless": True} if kind == "WEBP" else {}
    animation = encoded(picture, kind, save_all=True, append_images=[other, other], **lossless)
    alone = encoded(picture, kind, **lossless)
    np.testing.assert_array_equal(decode_image(animation, MAX_PIXELS), decode_image(alone, MAX_PIXELS))


def test_a_jpeg_with_a_second_picture_behind_it_is_a_jpeg(picture: Image.Image) -> None:
    both = encoded(picture, "MPO", save_all=True, append_images=[Image.new("RGB", (64, 48))])
    assert decode_image(both, MAX_PIXELS).shape == (48, 64, 3)
    assert decode_image(encoded(picture, "JPEG") + b"bytes behind the end", MAX_PIXELS).shape == (48, 64, 3)


@pytest.mark.parametrize(("side", "shape"), [(512, (600, 800, 3)), (300, (300, 400, 3)), (64, (75, 100, 3))])
def test_a_draft_is_a_smaller_jpeg_never_under_the_side_asked_for(side: int, shape: tuple[int, int, int]) -> None:
    ramp = np.linspace(0, 255, 800, dtype=np.uint8)
    photo = Image.fromarray(np.broadcast_to(ramp[None, :, None], (600, 800, 3)).copy())
    data = encoded(photo, "JPEG", quality=95)
    draft = decode_image(data, MAX_PIXELS, draft_side=side)
    assert draft.shape == shape
    np.testing.assert_array_equal(draft, decode_image(data, MAX_PIXELS, draft_side=side))
    whole = Image.fromarray(decode_image(data, MAX_PIXELS)).resize((shape[1], shape[0]), Image.Resampling.BOX)
    assert np.abs(draft.astype(int) - np.asarray(whole).astype(int)).max() <= 6
