"""Reading the body of `POST /v1/search`: JSON or a form with a picture."""

import asyncio

from aiohttp import web

from query_router.bodies import FORM, JSON, read_bytes, read_form, reading, wrong_type
from query_router.query import Picture, Query, parse_body, parse_options
from schemas.errors import InputError
from schemas.queries import SearchOptions
from schemas.settings import MIB, ImageSettings

OPTIONS_MAX_BYTES = MIB
_INLINE_BYTES = 256 * 1024


async def read_query(request: web.Request, images: ImageSettings) -> Query:
    """The query in a request's body.

    Raises:
        InputError: another content type, a broken or slow body, or as `query_router.query.parse_body`.
        TooLarge: the body or its picture has more bytes than are taken.
    """
    readers = {FORM: _read_form, JSON: _read_json}
    reader = readers.get(request.content_type)
    if reader is None:
        raise wrong_type(request, f"{FORM} with a file `image`", JSON)
    async with reading():
        return await reader(request, images)


async def _read_json(request: web.Request, images: ImageSettings) -> Query:
    data = await read_bytes(request, images.max_bytes * 4 // 3 + OPTIONS_MAX_BYTES)
    if len(data) <= _INLINE_BYTES:
        return parse_body(data, images)
    return await asyncio.to_thread(parse_body, data, images)


async def _read_form(request: web.Request, images: ImageSettings) -> Query:
    caps = {"image": images.max_bytes, "query": OPTIONS_MAX_BYTES}
    fields = dict(await read_form(request, caps, images.max_bytes + 2 * OPTIONS_MAX_BYTES))
    if "image" not in fields:
        raise InputError("the form needs a file `image`", field="image")
    options = parse_options(fields["query"]) if "query" in fields else SearchOptions()
    return Query(Picture(fields["image"]), options)
