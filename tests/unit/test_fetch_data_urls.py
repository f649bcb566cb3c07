"""data: and store: references."""

import base64
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder.fetch import catalog_fetcher, decode_base64, decode_data_url
from embedder.image_store import ImageStore
from schemas.errors import ImageRejected
from schemas.settings import ImageSettings


@given(data=st.binary(max_size=200), wrapped=st.booleans(), percent=st.booleans())
def test_base64_comes_back_as_it_was(data: bytes, wrapped: bool, percent: bool) -> None:
    text = (base64.encodebytes(data) if wrapped else base64.b64encode(data)).decode()
    ref = "data:image/png;base64," + (quote(text) if percent else text)
    assert decode_data_url(ref, max_bytes=len(data)) == data


@given(data=st.binary(min_size=1, max_size=200))
def test_one_byte_over_the_cap_is_too_large(data: bytes) -> None:
    with pytest.raises(ImageRejected) as caught:
        decode_base64(base64.b64encode(data).decode(), max_bytes=len(data) - 1)
    assert caught.value.code == "image_too_large"


@given(ref=st.text(max_size=60).map("data:".__add__) | st.text(max_size=60).map("data:image/png;base64,".__add__))
def test_whatever_comes_only_image_rejected_escapes(ref: str) -> None:
    try:
        decode_data_url(ref, max_bytes=1000)
    except ImageRejected as error:
        assert error.code in {"image_corrupt", "image_unsupported"}


@pytest.mark.parametrize(
    ("ref", "code"),
    [
        ("data:text/html;base64,aGk=", "image_unsupported"),
        ("data:;base64,aGk=", "image_unsupported"),
        ("data:image/svg+xml,<svg/>", "image_unsupported"),
        ("data:image/png;base64,aGk", "image_corrupt"),
        ("data:image/png;base64,a-k_", "image_corrupt"),
        ("data:image/png;base64,aGk=aGk=", "image_corrupt"),
        ("data:image/png;base64", "image_corrupt"),
        ("data:image/png;base64,ä", "image_corrupt"),
    ],
)
def test_what_is_no_base64_picture_is_told_apart(ref: str, code: str) -> None:
    with pytest.raises(ImageRejected) as caught:
        decode_data_url(ref, max_bytes=1000)
    assert caught.value.code == code
    assert len(caught.value.message) < 300


@pytest.mark.parametrize("head", ["data:image/png;base64,", "DATA:IMAGE/JPEG;BASE64,", "data:image/png;name=a;base64,"])
async def test_the_fetcher_reads_data_urls(tmp_path: Path, head: str) -> None:
    fetcher = catalog_fetcher(ImageSettings(), ImageStore(tmp_path))
    assert await fetcher.fetch(head + base64.b64encode(b"picture").decode()) == b"picture"


async def test_the_fetcher_reads_the_image_store_up_to_the_cap(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    ref = store.put(b"picture")
    assert await catalog_fetcher(ImageSettings(max_bytes=7), store).fetch(ref) == b"picture"
    with pytest.raises(ImageRejected) as caught:
        await catalog_fetcher(ImageSettings(max_bytes=6), store).fetch(ref)
    assert caught.value.code == "image_too_large"
