"""Reading a request's body, JSON or a form, never more of it than allowed."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_exceptions import HTTPRequestEntityTooLarge

from schemas.errors import InputError, TooLarge

BODY_TIMEOUT_S = 30.0
CHUNK_BYTES = 256 * 1024
FORM, JSON = "multipart/form-data", "application/json"

Fields = list[tuple[str, bytes]]


@asynccontextmanager
async def reading() -> AsyncIterator[None]:
    """Around whatever reads a body: a slow or a broken one is an InputError."""
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            yield
    except TimeoutError as error:
        raise InputError(f"the body took longer than {BODY_TIMEOUT_S:.0f} s", code="slow_body") from error
    except (HTTPRequestEntityTooLarge, HttpProcessingError, web.RequestPayloadError) as error:
        raise InputError(f"the body cannot be read: {error}", code="bad_body") from error


def wrong_type(request: web.Request, *expected: str) -> InputError:
    """The refusal of another content type."""
    return InputError(f"send {', or '.join(expected)}; not {request.content_type}", code="bad_content_type")


async def read_bytes(request: web.Request, max_bytes: int) -> bytes:
    """The whole body; raises TooLarge as soon as it is known to have more than `max_bytes`."""
    _check_declared(request, max_bytes)
    return await _collect(request.content.iter_any(), max_bytes, "the body")


async def read_form(request: web.Request, caps: Mapping[str, int], max_bytes: int, repeated: str = "") -> Fields:
    """The parts of a form in their order, of names and sizes in `caps`; only the one `repeated` may come again.

    Raises:
        InputError: the form is broken, or has a part that it should not have.
        TooLarge: the form has more than `max_bytes`, or a part more than its cap.
    """
    _check_declared(request, max_bytes)
    fields: Fields = []
    left_bytes = max_bytes
    try:
        form = await request.multipart()
        while (part := await form.next()) is not None:
            name = part.name if isinstance(part, BodyPartReader) else None
            if not isinstance(part, BodyPartReader) or name is None or name not in caps:
                known = " and ".join(f"`{one}`" for one in caps)
                raise InputError(f"unknown form field {name!r}; there are {known}", field=name)
            if name != repeated and name in dict(fields):
                raise InputError(f"the form field `{name}` is given more than once", field=name)
            data = await _collect(_chunks_of(part), min(caps[name], left_bytes), f"`{name}`")
            left_bytes -= len(data)
            fields.append((name, bytes(part.decode(data))))
    except (ValueError, RuntimeError, AssertionError) as error:
        raise InputError(f"the form cannot be read: {error}", code="bad_form") from error
    return fields


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
