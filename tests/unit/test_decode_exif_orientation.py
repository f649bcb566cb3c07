"""A picture is decoded as it is meant to be seen, whichever way the camera was held."""

import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from embedder.decode import decode_image

CORNERS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}
STORED = {
    # Exif 2.3, tag 0x112: which side of the scene the first stored row and column show
    1: lambda scene: scene,
    2: lambda scene: scene[:, ::-1],
    3: lambda scene: scene[::-1, ::-1],
    4: lambda scene: scene[::-1],
    5: lambda scene: scene.transpose(1, 0, 2),
    6: lambda scene: np.rot90(scene, 1),
    7: lambda scene: scene[::-1, ::-1].transpose(1, 0, 2),
    8: lambda scene: np.rot90(scene, -1),
}


def scene() -> np.ndarray:
    pixels = np.zeros((32, 64, 3), dtype=np.uint8)
    pixels[:16, :32], pixels[:16, 32:] = CORNERS["red"], CORNERS["green"]
    pixels[16:, :32], pixels[16:, 32:] = CORNERS["blue"], CORNERS["white"]
    return pixels


def stored(orientation: object, kind: str) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    pixels = np.ascontiguousarray(STORED.get(orientation, STORED[1])(scene()))
    out = io.BytesIO()
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    if kind == "WEBP":
        options = {"lossless": True}
    Image.fromarray(pixels).save(out, kind, exif=exif, **options)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_scene_is_upright(orientation: int, kind: str) -> None:
    pixels = decode_image(stored(orientation, kind), 1_000_000)
    assert pixels.shape == (32, 64, 3)
    assert np.abs(pixels[8::16, 16::32].astype(int) - scene()[8::16, 16::32].astype(int)).max() <= 6


def test_an_avif_turned_by_its_container_is_upright() -> None:
    pixels = decode_image(stored(6, "AVIF"), 1_000_000)
    assert pixels.shape == (32, 64, 3)
    assert np.abs(pixels[8::16, 16::32].astype(int) - scene()[8::16, 16::32].astype(int)).max() <= 40


def test_a_draft_is_upright_too() -> None:
    pixels = decode_image(stored(6, "JPEG"), 1_000_000, draft_side=16)
    assert pixels.shape == (16, 32, 3)
    assert np.abs(pixels[4::8, 8::16].astype(int) - scene()[8::16, 16::32].astype(int)).max() <= 6


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(orientation: int) -> None:
    assert decode_image(stored(orientation, "JPEG"), 1_000_000).shape == (32, 64, 3)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"]
)
def test_broken_metadata_does_not_hide_a_whole_picture(exif: bytes) -> None:
    out = io.BytesIO()
    Image.fromarray(scene()).save(out, "JPEG", exif=exif)
    assert decode_image(out.getvalue(), 1_000_000).shape == (32, 64, 3)
