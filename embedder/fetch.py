"""Fetching: from an image reference to the encoded picture's bytes, never more of them than allowed."""

import asyncio
import base64
import binascii
import os
import re
import stat
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote_to_bytes

from embedder.fetched import Fetched, Known, NoValidators, Source, Validators, nothing_known, picture_digest
from embedder.host_slots import HostSlots
from embedder.http_pictures import HttpPictures
from embedder.image_store import SCHEME as STORE_SCHEME
from embedder.image_store import ImageStore
from embedder.metrics import EmbedderMetrics
from embedder.object_pictures import ObjectPictures
from schemas.errors import ImageRejected
from schemas.settings import ImageSettings

CHUNK_BYTES = 256 * 1024
_DATA_URL = re.compile(r"data:([^,;]*)((?:;[^,;]*)*),", re.IGNORECASE)
_SPACE = str.maketrans("", "", " \t\r\n")

Read = Callable[[str], bytes]


class Fetcher(Protocol):
    """Where the worker gets a reference's bytes from."""

    def fetching(self, ref: str, known: Known = nothing_known) -> AbstractAsyncContextManager[Fetched]:
        """The picture, which has room in memory until the context is left.

        Raises:
            ImageRejected: the reference is not allowed, cannot be reached, or its picture is too large.
        """

    def reading(self, ref: str) -> Callable[[], Fetched] | None:
        """How to have the picture at once, in a thread; None where it must be fetched. It raises as `fetching` does."""

    async def close(self) -> None:
        """Gives connections back."""


class SchemeFetcher:
    """A fetcher that asks one source per URL scheme; a scheme without one is refused.

    `inside` are schemes of what is read without waiting for anybody.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        metrics: EmbedderMetrics | None = None,
        inside: Mapping[str, Read] | None = None,
    ) -> None:
        self._inside = dict(inside or {})
        self._sources = {scheme: LocalPictures(read, _room()) for scheme, read in self._inside.items()} | dict(sources)
        self._metrics = metrics

    def reading(self, ref: str) -> Callable[[], Fetched] | None:
        """See `Fetcher.reading`."""
        scheme = ref.partition(":")[0].lower()
        read = self._inside.get(scheme)
        return None if read is None else partial(self._read, scheme, read, ref)

    def _read(self, scheme: str, read: Read, ref: str) -> Fetched:
        try:
            data = read(ref)
        except ImageRejected as error:
            self._count(scheme, error.code)
            raise
        self._count(scheme, "sent", len(data))
        return Fetched(data, picture_digest(data))

    @asynccontextmanager
    async def fetching(self, ref: str, known: Known = nothing_known) -> AsyncIterator[Fetched]:
        """See `Fetcher.fetching`."""
        scheme, source = self._source(ref)
        async with AsyncExitStack() as held:
            try:
                fetched = await held.enter_async_context(source.fetching(ref, known))
            except ImageRejected as error:
                self._count(scheme, error.code)
                raise
            self._count(scheme, "unchanged" if fetched.data is None else "sent", len(fetched.data or b""))
            yield fetched

    async def fetch(self, ref: str) -> bytes:
        """The encoded picture's bytes; raises ImageRejected as `fetching`."""
        async with self.fetching(ref) as fetched:
            assert fetched.data is not None
            return fetched.data

    async def close(self) -> None:
        """See `Fetcher.close`."""
        for source in set(self._sources.values()):
            await source.close()

    def _source(self, ref: str) -> tuple[str, Source]:
        scheme, colon, _ = ref.partition(":")
        source = self._sources.get(scheme.lower())
        if not colon or source is None:
            known = ", ".join(f"{name}:" for name in sorted(self._sources) if name != STORE_SCHEME)
            self._count("other", "image_refused")
            raise ImageRejected(f"{_short(ref)} is refused: {known} references are read here", code="image_refused")
        return scheme.lower(), source

    def _count(self, scheme: str, outcome: str, size: int = 0) -> None:
        if self._metrics is not None:
            self._metrics.fetches.labels(scheme, outcome).inc()
            self._metrics.fetched_bytes.labels(scheme).inc(size)


class LocalPictures:
    """A source that reads in a thread what lies on this machine, a few at a time."""

    def __init__(self, read: Read, room: asyncio.Semaphore) -> None:
        self._read = read
        self._room = room

    @asynccontextmanager
    async def fetching(self, ref: str, known: Known) -> AsyncIterator[Fetched]:
        """See `Source.fetching`."""
        async with self._room:
            yield await asyncio.to_thread(self._fetch, ref)

    async def close(self) -> None:
        """See `Source.close`."""

    def _fetch(self, ref: str) -> Fetched:
        data = self._read(ref)
        return Fetched(data, picture_digest(data))


def catalog_fetcher(
    images: ImageSettings,
    store: ImageStore,
    validators: Validators | None = None,
    metrics: EmbedderMetrics | None = None,
) -> SchemeFetcher:
    """The fetcher of the stream: `http(s):`, `s3:`, `gs:`, `file:` under the configured roots, `data:`, and `store:`.

    With `validators` a server is asked whether a picture has changed before it is sent again.
    """
    remembered = NoValidators() if validators is None else validators
    slots = HostSlots(images.fetches, images.fetches_per_host)
    web = HttpPictures(images, slots, remembered)

    def read_stored(ref: str) -> bytes:
        data = store.read(ref)
        _check_size(len(data), images.max_bytes, ref)
        return data

    return SchemeFetcher(
        {
            "file": LocalPictures(lambda ref: read_file_url(ref, images), _room()),
            "http": web,
            "https": web,
            "s3": ObjectPictures("s3", images, slots, remembered),
            "gs": ObjectPictures("gs", images, slots, remembered),
        },
        metrics,
        {"data": lambda ref: decode_data_url(ref, images.max_bytes), STORE_SCHEME: read_stored},
    )


def query_fetcher(images: ImageSettings, metrics: EmbedderMetrics | None = None) -> SchemeFetcher:
    """The fetcher of queries: what a stranger names is never a file, a bucket or the store of this machine."""
    web = HttpPictures(images, HostSlots(images.fetches, images.fetches_per_host), NoValidators())
    inside = {"data": lambda ref: decode_data_url(ref, images.max_bytes)}
    return SchemeFetcher({"http": web, "https": web}, metrics, inside)


def _room() -> asyncio.Semaphore:
    return asyncio.Semaphore(2 * (os.cpu_count() or 1))


def decode_data_url(ref: str, max_bytes: int) -> bytes:
    """The bytes of a `data:image/...;base64,` URL (RFC 2397).

    Raises:
        ImageRejected: `image_unsupported` when it holds no base64 image, else as `decode_base64`.
    """
    head = _DATA_URL.match(ref)
    if head is None:
        raise ImageRejected(f"{_short(ref)} is no data: URL", code="image_corrupt")
    media_type, parameters = head.group(1).strip().lower(), head.group(2).lower().split(";")
    if not media_type.startswith("image/") or parameters[-1].strip() != "base64":
        raise ImageRejected(
            f"{_short(ref)} is not supported: only data:image/...;base64, URLs are", code="image_unsupported"
        )
    payload = ref[head.end() :]
    if "%" in payload:
        payload = unquote_to_bytes(payload).decode("latin-1")
    return decode_base64(payload, max_bytes)


def decode_base64(text: str, max_bytes: int) -> bytes:
    """The bytes of base64 text, strictly, save that line breaks and spaces (MIME) are passed over.

    Raises:
        ImageRejected: `image_too_large` before more than `max_bytes` are decoded, `image_corrupt` for anything that
            is not base64.
    """
    packed = text.translate(_SPACE)
    _check_size(3 * (len(packed) // 4) - packed[-2:].count("="), max_bytes, "the base64 picture")
    try:
        return base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImageRejected(f"the picture is not base64: {error}", code="image_corrupt") from error


def read_file_url(ref: str, images: ImageSettings) -> bytes:
    """The bytes of a `file:` URL (RFC 8089) that, after every symbolic link, lies under one of the roots.

    Raises:
        ImageRejected: `image_refused` outside the roots and for what is not a plain file, `image_unreachable` when
            missing or unreadable, `image_too_large` as soon as more than `images.max_bytes` were read.
    """
    path = path_of_file_url(ref)
    try:
        real = path.resolve()
        roots = [Path(root).resolve() for root in images.roots]
        if not images.any_file and not any(real.is_relative_to(root) for root in roots):
            raise ImageRejected(f"{_short(ref)} lies outside the folders that may be read", code="image_refused")
        return _read_plain_file(real, images.max_bytes, ref)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symbolic links
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        number = error.errno if isinstance(error, OSError) else None
        raise ImageRejected(
            f"{_short(ref)} cannot be read: {reason}", code="image_unreachable", errno=number
        ) from error


def path_of_file_url(ref: str) -> Path:
    """The absolute path a `file:` URL names; `?` and `#` are part of it, as a file has neither query nor fragment.

    Raises:
        ImageRejected: `image_refused` for another host, a relative path or one that no file can have.
    """
    rest = ref.partition(":")[2]
    if rest.startswith("//"):
        host, slash, tail = rest[2:].partition("/")
        if host.lower() not in {"", "localhost"}:
            raise ImageRejected(f"{_short(ref)} names another host", code="image_refused")
        rest = slash + tail
    try:
        raw = unquote_to_bytes(rest)
    except UnicodeError as error:
        raise ImageRejected(f"{_short(ref)} is no path", code="image_refused") from error
    if not raw.startswith(b"/") or b"\0" in raw:
        raise ImageRejected(f"{_short(ref)} is no absolute path", code="image_refused")
    return Path(os.fsdecode(raw))


def _read_plain_file(path: Path, max_bytes: int, ref: str) -> bytes:
    """The file is opened so that a pipe put in its place after the check cannot hold the thread."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise ImageRejected(f"{_short(ref)} is not a plain file", code="image_refused")
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    chunks: list[bytes] = []
    size = 0
    with os.fdopen(handle, "rb", buffering=0) as file:
        while chunk := file.read(CHUNK_BYTES):
            size += len(chunk)
            _check_size(size, max_bytes, ref)
            chunks.append(chunk)
    return b"".join(chunks)


def _check_size(size: int, max_bytes: int, ref: str) -> None:
    if size > max_bytes:
        raise ImageRejected(
            f"{_short(ref)} has more than the {max_bytes} bytes a picture may have",
            code="image_too_large",
            max_bytes=max_bytes,
        )


def _short(ref: str) -> str:
    """A reference fit for a message: a data: URL can have megabytes."""
    return ref if len(ref) <= 200 else f"{ref[:80]}... ({len(ref)} characters)"
