"""One picture over HTTP: to checked addresses alone, redirects too, and never more bytes or seconds than allowed."""

import asyncio
import errno
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from embedder.address_guard import AddressGuard, Target
from embedder.decode import check_head
from embedder.fetched import Validator
from schemas.errors import ImageRejected
from schemas.settings import ImageSettings

MAX_REDIRECTS = 5
CHUNK_BYTES = 64 * 1024
LOOKUPS = 16
KEEP_ALIVE_S = 15.0
REDIRECTS = frozenset({301, 302, 303, 307, 308})
TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504, 507, 509, 520, 521, 522, 523, 524})
_HEADERS = {"Accept": "image/*, */*;q=0.1", "Accept-Encoding": "identity", "User-Agent": "lookalive"}


class HttpPicture(NamedTuple):
    """An answer: the picture's bytes, None when it is unchanged; the URL it came from, and its validators."""

    data: bytes | None
    url: str
    etag: str
    last_modified: str


class GuardedResolver(AbstractResolver):
    """Looks names up and passes on only what the guard lets through: what was checked is what is connected to."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        # Threads of its own: a name server that hangs must not hold up whatever else runs in threads.
        self._threads = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="lookup")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The host's addresses.

        Raises:
            ImageRejected: one of them may not be connected to.
            OSError: there are none.
        """
        infos = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
        )
        addresses = [(info[0], str(info[4][0])) for info in infos if info[0] in (socket.AF_INET, socket.AF_INET6)]
        if not addresses:
            raise OSError(errno.EADDRNOTAVAIL, f"{host} has no address")
        self._guard.check_addresses(host, port, [address for _, address in addresses])
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=family,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for family, address in addresses
        ]

    async def close(self) -> None:
        """See `AbstractResolver`."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class GuardedHttp:
    """An HTTP client for pictures: no proxies, cookies, compression or redirects that were not checked."""

    def __init__(self, images: ImageSettings, guard: AddressGuard) -> None:
        self._images = images
        self._guard = guard
        self._session: aiohttp.ClientSession | None = None

    async def get(self, target: Target, held: Validator | None) -> HttpPicture:
        """The picture at a URL, asked for once; `held` is what is known of it.

        Raises:
            ImageRejected: `image_refused` for an address or a redirect that is not allowed, `image_unreachable` for
                any failure of the host or the network, `image_too_large` as soon as too many bytes or pixels show.
        """
        limit_s = self._images.fetch_timeout_s
        try:
            async with asyncio.timeout(limit_s):
                return await self._follow(target, held)
        except TimeoutError as error:
            raise _unreachable(target, f"nothing whole came within {limit_s:g} s") from error
        except aiohttp.ClientConnectorDNSError as error:
            temporary = getattr(error.os_error, "errno", None) != socket.EAI_NONAME
            raise _unreachable(target, "its host has no address", temporary=temporary) from error
        except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError, OSError) as error:
            raise _unreachable(target, str(error) or type(error).__name__) from error
        except (aiohttp.ClientError, ValueError) as error:
            why = f"its answer cannot be read: {type(error).__name__}"
            raise _unreachable(target, why, temporary=False) from error

    async def close(self) -> None:
        """Closes every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        """Made late, as it belongs to the event loop that uses it."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=GuardedResolver(self._guard), limit=0, keepalive_timeout=KEEP_ALIVE_S
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                auto_decompress=False,
                trust_env=False,
                headers=_HEADERS,
            )
        return self._session

    async def _follow(self, target: Target, held: Validator | None) -> HttpPicture:
        first = target
        for _ in range(MAX_REDIRECTS + 1):
            asked = str(target.url)
            headers = _conditions(held) if held is not None and held.url == asked else {}
            async with self._opened().get(target.url, headers=headers, allow_redirects=False) as answer:
                if answer.status == 304 and headers and held is not None:
                    return HttpPicture(None, asked, held.etag, held.last_modified)
                if answer.status not in REDIRECTS:
                    data = await self._read(answer, first)
                    etag, modified = (answer.headers.get(name, "") for name in ("ETag", "Last-Modified"))
                    return HttpPicture(data, asked, etag, modified)
                target = self._next(target, answer.headers.get("Location", ""))
        raise _unreachable(first, f"more than {MAX_REDIRECTS} redirects", temporary=False)

    def _next(self, target: Target, location: str) -> Target:
        """Where a redirect leads, checked like any other URL."""
        if not location:
            raise _unreachable(target, "it redirects to nowhere", temporary=False)
        if location.isascii() and location.partition(":")[0].isalpha() and ":" in location:
            return self._guard.check_url(location)
        return self._guard.check_url(str(target.url.join(URL(location, encoded=location.isascii()))))

    async def _read(self, answer: aiohttp.ClientResponse, target: Target) -> bytes:
        if answer.status != 200:
            temporary = answer.status in TEMPORARY
            raise _unreachable(target, f"status {answer.status}", temporary=temporary, status=answer.status)
        coding = answer.headers.get("Content-Encoding", "identity").strip().lower()
        if coding not in ("", "identity"):
            raise ImageRejected(
                f"{_shown(target)} is compressed as {coding[:40]!r}; pictures are taken as they are",
                code="image_refused",
                host=target.host,
            )
        self._check_size(answer.content_length or 0, target)
        chunks: list[bytes] = []
        size, looked = 0, False
        async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
            size += len(chunk)
            self._check_size(size, target)
            chunks.append(chunk)
            if not looked and size >= CHUNK_BYTES:
                looked = True
                check_head(b"".join(chunks), self._images.max_pixels)
        return b"".join(chunks)

    def _check_size(self, size: int, target: Target) -> None:
        limit = self._images.max_bytes
        if size > limit:
            raise ImageRejected(
                f"{_shown(target)} has more than the {limit} bytes a picture may have",
                code="image_too_large",
                max_bytes=limit,
                host=target.host,
            )


def _conditions(held: Validator) -> dict[str, str]:
    """The question "unless it is still this one" (RFC 9110, section 13.1)."""
    if held.etag:
        return {"If-None-Match": held.etag}
    return {"If-Modified-Since": held.last_modified} if held.last_modified else {}


def _unreachable(target: Target, why: str, *, temporary: bool = True, **details: object) -> ImageRejected:
    return ImageRejected(
        f"{_shown(target)} cannot be fetched: {why}",
        code="image_unreachable",
        temporary=temporary,
        host=target.host,
        **details,
    )


def _shown(target: Target) -> str:
    """A URL fit for a message; its query may hold a signature."""
    text = str(target.url.with_query(None))
    return text if len(text) <= 200 else f"{text[:120]}... ({len(text)} characters)"
