"""Fetching: from an image reference to the encoded picture's bytes, never more of them than allowed."""

import asyncio
import base64
import binascii
import os
import re
import stat
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote_to_bytes

from embedder.image_store import SCHEME as STORE_SCHEME
from embedder.image_store import ImageStore
from schemas.errors import ImageRejected
from schemas.settings import ImageSettings

CHUNK_BYTES = 256 * 1024
_DATA_URL = re.compile(r"data:([^,;]*)((?:;[^,;]*)*),", re.IGNORECASE)
_SPACE = str.maketrans("", "", " \t\r\n")

Reader = Callable[[str], Awaitable[bytes]]


class Fetcher(Protocol):
    """Where the worker gets a reference's bytes from."""

    async def fetch(self, ref: str) -> bytes:
        """The encoded picture's bytes.

        Raises:
            ImageRejected: the reference is not allowed, cannot be reached, or its picture is too large.
        """


class SchemeFetcher:
    """A fetcher that asks one small reader per URL scheme; a scheme without a reader is refused."""

    def __init__(self, readers: Mapping[str, Reader]) -> None:
        self._readers = dict(readers)

    async def fetch(self, ref: str) -> bytes:
        """See `Fetcher.fetch`."""
        scheme, colon, _ = ref.partition(":")
        reader = self._readers.get(scheme.lower())
        if not colon or reader is None:
            known = ", ".join(f"{name}:" for name in sorted(self._readers) if name != STORE_SCHEME)
            raise ImageRejected(
                f"{_short(ref)} is refused: this version reads {known} references only", code="image_refused"
            )
        return await reader(ref)


def catalog_fetcher(images: ImageSettings, store: ImageStore) -> SchemeFetcher:
    """The fetcher of the stream: `file:` under the configured roots, `data:`, and `store:`."""

    def read_stored(ref: str) -> bytes:
        data = store.read(ref)
        _check_size(len(data), images.max_bytes, ref)
        return data

    return SchemeFetcher(
        {
            "file": _in_thread(lambda ref: read_file_url(ref, images)),
            "data": _in_thread(lambda ref: decode_data_url(ref, images.max_bytes)),
            STORE_SCHEME: _in_thread(read_stored),
        }
    )


def query_fetcher(images: ImageSettings) -> SchemeFetcher:
    """The fetcher of queries: what a stranger names is never a file of this machine."""
    return SchemeFetcher({"data": _in_thread(lambda ref: decode_data_url(ref, images.max_bytes))})


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
        raise ImageRejected(f"{_short(ref)} cannot be read: {reason}", code="image_unreachable") from error


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


def _in_thread(read: Callable[[str], bytes]) -> Reader:
    async def reader(ref: str) -> bytes:
        return await asyncio.to_thread(read, ref)

    return reader


def _short(ref: str) -> str:
    """A reference fit for a message: a data: URL can have megabytes."""
    return ref if len(ref) <= 200 else f"{ref[:80]}... ({len(ref)} characters)"
