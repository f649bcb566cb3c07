"""The routes that write items and say what became of them: `PUT | PATCH | DELETE`, lists, status and picture."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from query_router.admission import Admission
from query_router.change_body import ChangeReader
from query_router.item_pictures import ItemPictures
from query_router.item_status import StatusService
from query_router.item_writer import ItemWriter, list_status, status_of
from query_router.openapi import RouteDoc
from query_router.query import convert_parameters
from query_router.thumbnails import CONTENT_TYPE, SIZES
from query_router.wire import item_id_of, json_response, shown_item_of
from schemas.changes import Op
from schemas.errors import InputError
from schemas.item_writes import (
    DeleteBody,
    ItemStatus,
    ListedChange,
    PatchBody,
    PutBody,
    WaitOptions,
    WriteAnswer,
    WriteListAnswer,
)

READER = web.AppKey("reader", ChangeReader)
WRITER = web.AppKey("writer", ItemWriter)
WRITES = web.AppKey("writes", Admission)
STATUSES = web.AppKey("statuses", StatusService)
PICTURES = web.AppKey("pictures", ItemPictures)
PICTURE_HEADERS = {
    # Asked again each time, answered with 304: a replaced picture shows at once.
    "Cache-Control": "private, no-cache",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


class PictureOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters of `GET /v1/items/{id}/image`."""

    size: Annotated[int, Meta(description=f"pixels of the longer side at most: {', '.join(map(str, SIZES))}")] = 512
    v: Annotated[
        str | None, Meta(description="ignored: another value makes another address, for pages that show a new picture")
    ] = None


def _write(op: Op) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(request: web.Request) -> web.Response:
        item_id = item_id_of(request)
        options = convert_parameters(request.rel_url.query.items(), WaitOptions)
        with request.app[WRITES].admitted():
            change = await request.app[READER].read(request, op, item_id)
        answer = await request.app[WRITER].write(change, options)
        return json_response(answer, status_of(answer))

    return handler


put, patch, delete = _write("upsert"), _write("patch"), _write("delete")


async def put_list(request: web.Request) -> web.Response:
    options = convert_parameters(request.rel_url.query.items(), WaitOptions)
    with request.app[WRITES].admitted():
        listed = await request.app[READER].read_list(request)
    answer = await request.app[WRITER].write_list(listed, options)
    return json_response(answer, list_status(answer))


async def status(request: web.Request) -> web.Response:
    return json_response(await request.app[STATUSES].status(shown_item_of(request)))


async def image(request: web.Request) -> web.Response:
    item_id = shown_item_of(request)
    size = convert_parameters(request.rel_url.query.items(), PictureOptions).size
    if size not in SIZES:
        raise InputError(f"`size` must be one of {', '.join(map(str, SIZES))}, not {size}", field="size")
    known = {tag.value for tag in request.if_none_match or ()}
    found = await request.app[PICTURES].thumbnail(item_id, size, lambda etag: bool(known & {etag, "*"}))
    if found.data is None:
        response = web.Response(status=304, headers=PICTURE_HEADERS)
    else:
        response = web.Response(body=found.data, content_type=CONTENT_TYPE, headers=PICTURE_HEADERS)
    response.etag = found.etag
    return response


_WAITING = (
    " 202 once Kafka has it. With `wait=searchable`, 200 when every serving replica of its shard shows it, with "
    "`applied` true and `delay_ms`; 202 with `applied` false and a `reason` when `timeout_ms` (10 s unless given) came "
    "first or nothing will show; 409 when a newer change won; 422 when it was refused. Without `version` the change "
    "takes the item's, and `version` is null until that is known. Requests of pages of other origins are refused with "
    "403."
)
_WRITE_ERRORS = (400, 403, 409, 413, 422, 429, 503)
PUT_DOC = RouteDoc(
    "Put an item: an upsert",
    "Without `attributes` or pictures the item keeps that part. Send JSON, or a form with the file `image` (up to 8 of "
    "them) and the rest as JSON in `change`; uploads are kept in the image store." + _WAITING,
    answer=WriteAnswer,
    statuses=(200, 202),
    body=PutBody,
    form_options=PutBody,
    form_field="change",
    parameters=WaitOptions,
    errors=_WRITE_ERRORS,
)
PATCH_DOC = RouteDoc(
    "Set single attributes of an item",
    "Null is a value; pictures are never touched." + _WAITING,
    answer=WriteAnswer,
    statuses=(200, 202),
    body=PatchBody,
    parameters=WaitOptions,
    errors=_WRITE_ERRORS,
)
DELETE_DOC = RouteDoc(
    "Delete an item",
    "The body may be left out. Waited for, 200 with `applied` true and `searchable` false says that no replica shows "
    "it any more, or ever did." + _WAITING,
    answer=WriteAnswer,
    statuses=(200, 202),
    body=DeleteBody,
    body_required=False,
    parameters=WaitOptions,
    errors=_WRITE_ERRORS,
)
LIST_DOC = RouteDoc(
    "Write many items",
    "A list of up to 1,000 changes, each with its `op` and `item_id`. Each has its own outcome: the status it would "
    "have had alone, and its answer or its error. 200 when searches follow them all, 202 otherwise; an error when none "
    "was taken." + _WAITING,
    answer=WriteListAnswer,
    statuses=(200, 202),
    body=list[ListedChange],
    parameters=WaitOptions,
    errors=_WRITE_ERRORS,
)
STATUS_DOC = RouteDoc(
    "Why an item is or isn't found",
    "The newest change, whether its pictures are embedded, how many replicas know it and show it, and what was refused "
    "not long ago; `explanation` says it in words. 404 when nothing is known of the item.",
    answer=ItemStatus,
    errors=(400, 404, 503),
)
IMAGE_DOC = RouteDoc(
    "An item's picture",
    "A JPEG whose longer side has at most `size` pixels, always encoded anew. 404 for an item that is unknown or "
    "deleted, or has no picture that can be shown, `picture_gone` where the file it names is no longer there; 503 "
    "while its picture cannot be reached. Answers carry an `ETag`.",
    answer_type=CONTENT_TYPE,
    parameters=PictureOptions,
    errors=(400, 404, 429, 503),
)
