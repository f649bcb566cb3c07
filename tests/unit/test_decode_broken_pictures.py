"""Whatever bytes come, they end as a picture or as one reason, never as another exception."""

import functools
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from embedder.decode import decode_image
from schemas.errors import ImageRejected

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

MAX_PIXELS = 1_000_000
KINDS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")


@functools.cache
def whole(kind: str) -> bytes:
    noise = np.random.default_rng(7).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, kind)
    return out.getvalue()


def code_of(data: bytes) -> str:
    with pytest.raises(ImageRejected) as caught:
        decode_image(data, MAX_PIXELS)
    return caught.value.code


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_picture_is_corrupt(kind: str, share: float) -> None:
    data = whole(kind)
    assert code_of(data[: int(len(data) * share)]) == "image_corrupt"


def test_a_truncated_jpeg_is_corrupt_as_a_draft_too() -> None:
    with pytest.raises(ImageRejected) as caught:
        decode_image(whole("JPEG")[:-200], MAX_PIXELS, draft_side=8)
    assert caught.value.code == "image_corrupt"


@pytest.mark.parametrize(
    "data",
    [
        b"<!doctype html><html><body>Not found</body></html>",
        b"\n  <html>",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b'{"error": "not found"}',
        b"%PDF-1.7\n",
        b"\0\0\0\x18ftypheic\0\0\0\0heicmif1",
        b"BM is how this text begins",
        b"RIFF\x10\0\0\0WAVEfmt ",
        b"8BPS\0\x01",
        b"\0",
    ],
)
def test_what_is_no_picture_is_unsupported(data: bytes) -> None:
    assert code_of(data) == "image_unsupported"


def test_a_page_instead_of_a_picture_is_called_so() -> None:
    with pytest.raises(ImageRejected, match="HTML"):
        decode_image(b"<html></html>", MAX_PIXELS)


def test_heic_is_named_with_what_to_do() -> None:
    with pytest.raises(ImageRejected, match="HEIC is not read: export as JPEG"):
        decode_image(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", MAX_PIXELS)


def test_formats_pillow_knows_but_a_shop_does_not_need_are_unsupported() -> None:
    for kind in ("PPM", "ICO", "TGA", "EPS", "PCX"):
        out = io.BytesIO()
        Image.new("RGB", (16, 16)).save(out, kind)
        assert code_of(out.getvalue()) == "image_unsupported", kind


def test_no_bytes_are_corrupt() -> None:
    assert code_of(b"") == "image_corrupt"


@pytest.mark.parametrize("kind", KINDS)
def test_a_known_beginning_and_nothing_behind_it_is_corrupt(kind: str) -> None:
    assert code_of(whole(kind)[:30]) == "image_corrupt"


@given(data=st.binary(max_size=300), kind=st.sampled_from(["", *KINDS]), kept=st.integers(0, 40))
@settings(max_examples=300, deadline=None)
def test_random_bytes_only_ever_raise_image_rejected(data: bytes, kind: str, kept: int) -> None:
    head = whole(kind)[:kept] if kind else b""
    with pytest.raises(ImageRejected):
        decode_image(head + data, MAX_PIXELS)


@given(
    kind=st.sampled_from(KINDS),
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=12),
    near_head=st.booleans(),
    draft=st.sampled_from([None, 8]),
)
@settings(max_examples=500, deadline=None)
def test_a_spoilt_picture_decodes_or_raises_image_rejected(
    kind: str, changes: list[tuple[int, int]], near_head: bool, draft: int | None
) -> None:
    data = bytearray(whole(kind))
    reach = min(len(data), 200) if near_head else len(data)
    for place, value in changes:
        data[place % reach] = value
    try:
        pixels = decode_image(bytes(data), MAX_PIXELS, draft)
    except ImageRejected as error:
        assert error.code in {"image_corrupt", "image_too_large", "image_unsupported"}
    else:
        assert (pixels.dtype, pixels.ndim, pixels.shape[2]) == (np.uint8, 3, 3)
