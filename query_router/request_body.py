"""Reading the body of `POST /v1/search`: JSON or a form with a picture, never more of it than allowed."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_exceptions import HTTPRequestEntityTooLarge

from query_router.query import Picture, Query, parse_body, parse_options
from schemas.errors import InputError, TooLarge
from schemas.queries import SearchOptions
from schemas.settings import MIB, ImageSettings

BODY_TIMEOUT_S = 30.0
OPTIONS_MAX_BYTES = MIB
CHUNK_BYTES = 256 * 1024
_INLINE_BYTES = 256 * 1024

FORM, JSON = "multipart/form-data", "application/json"


async def read_query(request: web.Request, images: ImageSettings) -> Query:
    """The query in a request's body.

    Raises:
        InputError: another content type, a broken or slow body, or as `query_router.query.parse_body`.
        TooLarge: the body or its picture has more bytes than are taken.
    """
    readers = {FORM: _read_form, JSON: _read_json}
    reader = readers.get(request.content_type)
    if reader is None:
        raise InputError(
            f"send {FORM} with a file `image`, or {JSON}; not {request.content_type}", code="bad_content_type"
        )
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await reader(request, images)
    except TimeoutError as error:
        raise InputError(f"the body took longer than {BODY_TIMEOUT_S:.0f} s", code="slow_body") from error
    except (HTTPRequestEntityTooLarge, HttpProcessingError, web.RequestPayloadError) as error:
        raise InputError(f"the body cannot be read: {error}", code="bad_body") from error


async def _read_json(request: web.Request, images: ImageSettings) -> Query:
    max_bytes = images.max_bytes * 4 // 3 + OPTIONS_MAX_BYTES
    _check_declared(request, max_bytes)
    data = await _collect(request.content.iter_any(), max_bytes, "the body")
    if len(data) <= _INLINE_BYTES:
        return parse_body(data, images)
    return await asyncio.to_thread(parse_body, data, images)


async def _read_form(request: web.Request, images: ImageSettings) -> Query:
    _check_declared(request, images.max_bytes + 2 * OPTIONS_MAX_BYTES)
    fields: dict[str, bytes] = {}
    caps = {"image": images.max_bytes, "query": OPTIONS_MAX_BYTES}
    try:
        form = await request.multipart()
        while (part := await form.next()) is not None:
            name = part.name if isinstance(part, BodyPartReader) else None
            if not isinstance(part, BodyPartReader) or name not in caps:
                raise InputError(f"unknown form field {name!r}; there are `image` and `query`", field=name)
            if name in fields:
                raise InputError(f"the form field `{name}` is given more than once", field=name)
            data = await _collect(_chunks_of(part), caps[name], f"`{name}`")
            fields[name] = bytes(part.decode(data))
    except (ValueError, RuntimeError, AssertionError) as error:
        raise InputError(f"the form cannot be read: {error}", code="bad_form") from error
    if "image" not in fields:
        raise InputError("the form needs a file `image`", field="image")
    options = parse_options(fields["query"]) if "query" in fields else SearchOptions()
    return Query(Picture(fields["image"]), options)


async def _chunks_of(part: BodyPartReader) -> AsyncIterator[bytes]:
    while not part.at_eof():
        yield await part.read_chunk(CHUNK_BYTES)


def _check_declared(request: web.Request, max_bytes: int) -> None:
    """Refuses what says it is too large before any of it is read."""
    declared = request.content_length
    if declared is not None and declared > max_bytes:
        raise _too_large("the body", max_bytes)


async def _collect(chunks: AsyncIterable[bytes], max_bytes: int, what: str) -> bytes:
    data = bytearray()
    async for chunk in chunks:
        data += chunk
        if len(data) > max_bytes:
            raise _too_large(what, max_bytes)
    return bytes(data)


def _too_large(what: str, max_bytes: int) -> TooLarge:
    return TooLarge(f"{what} has more than {max_bytes} bytes", max_bytes=max_bytes)
