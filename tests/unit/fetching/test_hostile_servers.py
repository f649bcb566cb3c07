"""Servers that lie, drip, bomb and lead astray: each is refused with a reason, within its bytes and seconds."""

import asyncio
import gzip
import io
import struct
import zlib
from collections.abc import Awaitable, Callable

import pytest
from PIL import Image
from prometheus_client import CollectorRegistry

from embedder.batcher import EmbeddingWorker
from embedder.fetch import query_fetcher
from embedder.metrics import EmbedderMetrics
from embedder.models.fake import FakeEncoder
from schemas.errors import ImageRejected
from schemas.settings import ImageSettings, ModelSettings
from tests.unit.fetching.conftest import Answer, Serve, answer, encoded

IMAGES = ImageSettings(
    allow_networks=("127.0.0.1/32",), max_bytes=200_000, max_pixels=1_000_000, fetch_timeout_s=0.5, fetch_attempts=1
)
FOREVER = 1000
PICTURE = encoded(1)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def png(width: int, height: int, rows: bytes = b"") -> bytes:
    """A PNG that says it is that large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def plain(form: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 10, 10)).save(out, form, **options)
    return out.getvalue()


def redirect(location: str, status: str = "302 Found") -> bytes:
    return answer(b"", status, Location=location)


def dripping(head: bytes, drop: bytes) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    async def talk(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        for _ in range(FOREVER):
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0.02)

    return talk


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(CHUNKED + b"8\r\n" + PICTURE[:8] + b"\r\n")
    for _ in range(FOREVER):
        writer.write(b"8000\r\n" + b"\xff" * 0x8000 + b"\r\n")
        await writer.drain()


async def silent(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(FOREVER)


CASES: dict[str, tuple[Answer, str]] = {
    "redirect to loopback by another name": (redirect("http://2130706433/"), "image_refused"),
    "redirect to metadata": (redirect("http://169.254.169.254/latest"), "image_refused"),
    "redirect to a private address": (redirect("http://10.0.0.1/", "301 Moved"), "image_refused"),
    "redirect to IPv6 loopback": (redirect("http://[::1]/", "307 Temporary"), "image_refused"),
    "redirect without scheme": (redirect("//192.168.0.1/a.png"), "image_refused"),
    "redirect to a file": (redirect("file:///etc/passwd"), "image_refused"),
    "redirect to gopher": (redirect("gopher://127.0.0.1/"), "image_refused"),
    "redirect with a password": (redirect("http://a:b@127.0.0.1/"), "image_refused"),
    "redirect with a backslash": (redirect("/\\10.0.0.1/a.png"), "image_refused"),
    "redirect to nowhere": (answer(b"", "302 Found"), "image_unreachable"),
    "redirect in a circle": (redirect("/again"), "image_unreachable"),
    "says it is too large": (answer(PICTURE, Content_Length="999999999"), "image_too_large"),
    "is too large and says nothing": (endless, "image_too_large"),
    "is shorter than it says": (answer(PICTURE, Content_Length=str(len(PICTURE) + 9)), "image_unreachable"),
    "a length that is no number": (answer(PICTURE, Content_Length="ten"), "image_unreachable"),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "image_unreachable"),
    "chunks cut off": (CHUNKED + b"20\r\nabc", "image_unreachable"),
    "chunks that are none": (CHUNKED + b"zz\r\nabc", "image_unreachable"),
    "drips its head": (dripping(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"), "image_unreachable"),
    "drips its body": (dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"a"), "image_unreachable"),
    "says nothing": (silent, "image_unreachable"),
    "hangs up": (b"", "image_unreachable"),
    "speaks something else": (b"SSH-2.0-OpenSSH_9.6\r\n", "image_unreachable"),
    "a head without end": (b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 100_000, "image_unreachable"),
    "compressed": (answer(gzip.compress(PICTURE), Content_Encoding="gzip"), "image_refused"),
    "compressed twice": (answer(PICTURE, Content_Encoding="gzip, br"), "image_refused"),
    "no such picture": (answer(b"no", "404 Not Found"), "image_unreachable"),
    "forbidden": (answer(b"no", "403 Forbidden"), "image_unreachable"),
    "nothing to send": (b"HTTP/1.1 204 No Content\r\n\r\n", "image_unreachable"),
    "a part of it": (answer(PICTURE, "206 Partial Content"), "image_unreachable"),
    "unchanged, though nobody asked": (b"HTTP/1.1 304 Not Modified\r\n\r\n", "image_unreachable"),
    "failing": (answer(b"", "500 Internal Server Error"), "image_unreachable"),
    "pixel bomb": (answer(png(30_000, 30_000)), "image_too_large"),
    "pixel bomb in one row": (answer(png(2_000_000, 1)), "image_too_large"),
    "pixel bomb with a long body": (answer(png(30_000, 30_000) + b"\0" * 150_000), "image_too_large"),
    "pixel bomb of zeros": (answer(png(1100, 1000, b"\0" * 3_301_000)), "image_too_large"),
    "a web page": (answer(b"<!doctype html><title>log in</title>"), "image_unsupported"),
    "a vector drawing": (answer(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "image_unsupported"),
    "an archive": (answer(b"PK\x03\x04" + b"\0" * 100), "image_unsupported"),
    "a long film": (answer(b"\0\0\0\x20ftypisom" + b"\0" * 150_000), "image_unsupported"),
    "no bytes": (answer(b""), "image_corrupt"),
    "half a picture": (answer(PICTURE[: len(PICTURE) // 2]), "image_corrupt"),
    "a blank picture": (answer(plain("PNG")), "image_blank"),
}


@pytest.mark.parametrize("name", CASES)
async def test_a_hostile_answer_is_refused(name: str, serve: Serve) -> None:
    what, code = CASES[name]
    server = await serve(what)
    metrics = EmbedderMetrics(CollectorRegistry())
    fetcher = query_fetcher(IMAGES, metrics)
    worker = EmbeddingWorker(FakeEncoder(), fetcher, IMAGES, ModelSettings(), metrics)
    await worker.start()
    try:
        with pytest.raises(ImageRejected) as caught:
            async with asyncio.timeout(60):
                await worker.embed(f"{server.url}/a.png")
    finally:
        await worker.stop()
    assert caught.value.code == code, caught.value.message
    assert server.requests
    assert len(server.requests) <= 6
    assert all("gzip" not in head for _, head in server.requests)


async def test_not_much_more_than_the_cap_is_read_of_an_endless_answer(serve: Serve) -> None:
    sent = 0

    async def count(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"8000\r\n" + PICTURE[:8] + b"\0" * (0x8000 - 8) + b"\r\n")
            await writer.drain()
            sent += 0x8000

    server = await serve(count)
    fetcher = query_fetcher(IMAGES)
    with pytest.raises(ImageRejected, match="more than the 200000 bytes"):
        await fetcher.fetch(f"{server.url}/a.png")
    await fetcher.close()
    assert sent < 20_000_000, "the rest lies in socket buffers"


async def test_a_redirect_within_what_is_allowed_is_followed(serve: Serve) -> None:
    there = await serve(answer(PICTURE))
    here = await serve(redirect(f"{there.url}/b.png"))
    fetcher = query_fetcher(IMAGES)
    assert await fetcher.fetch(f"{here.url}/a.png") == PICTURE
    await fetcher.close()


async def test_loopback_is_refused_unless_it_is_allowed(serve: Serve) -> None:
    server = await serve(answer(PICTURE))
    by_name = server.url.replace("127.0.0.1", "localhost")
    for url, images, allowed in (
        (server.url, ImageSettings(), False),
        (by_name, ImageSettings(), False),
        (by_name, ImageSettings(allow_hosts=("localhost",)), True),
        (by_name, ImageSettings(allow_networks=("127.0.0.0/8", "::1/128")), True),
    ):
        fetcher = query_fetcher(images)
        if allowed:
            assert await fetcher.fetch(f"{url}/a.png") == PICTURE
        else:
            with pytest.raises(ImageRejected) as caught:
                await fetcher.fetch(f"{url}/a.png")
            assert caught.value.code == "image_refused"
            assert "LOOKALIVE_IMAGES__ALLOW_HOSTS" in caught.value.message
        await fetcher.close()
