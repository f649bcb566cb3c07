"""Reading changes from the bodies of `/v1/items`, with the pictures that came inside kept in the image store."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from aiohttp import web

from embedder.fetch import decode_data_url
from query_router.bodies import FORM, JSON, read_bytes, read_form, reading, wrong_type
from query_router.misfits import misfit
from query_router.query import decode_json
from schemas.canary import CANARY_HEADER
from schemas.changes import CatalogChange, Op, decode_change
from schemas.errors import ChangeRejected, ImageRejected, InputError, LookaliveError, TooLarge
from schemas.item_writes import MAX_LISTED, DeleteBody, ListedChange, PatchBody, PutBody
from schemas.settings import MIB, ImageSettings

CHANGE_MAX_BYTES = MIB
LIST_MAX_BYTES = 64 * MIB
_BODIES: dict[Op, type[DeleteBody]] = {"upsert": PutBody, "patch": PatchBody, "delete": DeleteBody}

PutPicture = Callable[[bytes], str]


class Listed(NamedTuple):
    """One change of a list, or why it cannot be taken."""

    item_id: str | None
    change: CatalogChange | LookaliveError


class ChangeReader:
    """Reads the changes of a request; `put_picture` (blocking) keeps a picture and returns its reference."""

    def __init__(self, images: ImageSettings, put_picture: PutPicture) -> None:
        self._images = images
        self._put_picture = put_picture

    async def read(self, request: web.Request, op: Op, item_id: str) -> CatalogChange:
        """The change in the body of `PUT`, `PATCH` or `DELETE /v1/items/{id}`.

        Raises:
            InputError: another content type, or what is no change.
            ImageRejected: a `data:` URL that holds no picture.
            TooLarge: more bytes than are taken.
        """
        canary = CANARY_HEADER in request.headers
        async with reading():
            if request.content_type == FORM:
                fields = await read_form(
                    request,
                    {"image": self._images.max_bytes, "change": CHANGE_MAX_BYTES},
                    self._images.max_bytes + 2 * CHANGE_MAX_BYTES,
                    repeated="image",
                )
                return await asyncio.to_thread(self._form_change, fields, op, item_id, canary)
            if request.content_type != JSON and (op != "delete" or request.body_exists):
                raise wrong_type(request, JSON, f"{FORM} with a file `image` and the rest as JSON in `change`")
            data = await read_bytes(request, self._images.max_bytes * 4 // 3 + CHANGE_MAX_BYTES)
        if op == "delete" and not data.strip():
            data = b"{}"
        return await asyncio.to_thread(self._json_change, data, op, item_id, canary)

    async def read_list(self, request: web.Request) -> list[Listed]:
        """The changes of `POST /v1/items`, each one readable or an error.

        Raises:
            InputError: another content type, or what is no list of at most `MAX_LISTED`.
            TooLarge: more bytes than are taken.
        """
        if request.content_type != JSON:
            raise wrong_type(request, JSON)
        async with reading():
            data = await read_bytes(request, LIST_MAX_BYTES)
        return await asyncio.to_thread(self._listed, data)

    def _form_change(self, fields: list[tuple[str, bytes]], op: Op, item_id: str, canary: bool) -> CatalogChange:
        body: dict[str, Any] = msgspec.to_builtins(decode_json(dict(fields).get("change", b"{}"), PutBody, "`change`"))
        pictures = [data for name, data in fields if name == "image"]
        if op != "upsert":
            raise ChangeRejected(f"a {op} brings no picture; send {JSON}", code="bad_schema")
        if not pictures:
            raise InputError("the form needs a file `image`", field="image")
        if "image_url" in body or "image_urls" in body:
            raise ChangeRejected("send the pictures in the form or as URLs, not both", code="bad_schema")
        change = _checked(
            {**body, "op": op, "item_id": item_id, "image_urls": ["store:"] * len(pictures), "canary": canary}
        )
        return msgspec.structs.replace(change, images=tuple(self._put_picture(data) for data in pictures))

    def _json_change(self, data: bytes, op: Op, item_id: str, canary: bool) -> CatalogChange:
        body = msgspec.to_builtins(decode_json(data, _BODIES[op], "the body"))
        return self._kept(_checked({**body, "op": op, "item_id": item_id, "canary": canary}))

    def _listed(self, data: bytes) -> list[Listed]:
        entries = decode_json(data, list[Any], "the list")
        if not 1 <= len(entries) <= MAX_LISTED:
            raise InputError(f"a list has 1 to {MAX_LISTED} changes, not {len(entries)}", code="bad_length")
        return [self._entry(entry) for entry in entries]

    def _entry(self, entry: Any) -> Listed:
        named = entry.get("item_id") if isinstance(entry, dict) else None
        item_id = named if isinstance(named, str) else None
        try:
            body = msgspec.convert(entry, ListedChange)
            return Listed(item_id, self._kept(_checked(msgspec.to_builtins(body))))
        except msgspec.ValidationError as error:
            return Listed(item_id, ChangeRejected(misfit(error, "the change", ListedChange).message, code="bad_schema"))
        except LookaliveError as error:
            return Listed(item_id, error)

    def _kept(self, change: CatalogChange) -> CatalogChange:
        """The change with its `data:` pictures in the image store: states and topics carry references, not pixels."""
        if not any(_is_data(ref) for ref in change.images or ()):
            return change
        refs = tuple(self._keep(ref) if _is_data(ref) else ref for ref in change.images or ())
        return msgspec.structs.replace(change, images=refs)

    def _keep(self, ref: str) -> str:
        try:
            return self._put_picture(decode_data_url(ref, self._images.max_bytes))
        except ImageRejected as error:
            if error.code == "image_too_large":
                raise TooLarge(error.message, **error.details) from error
            raise


def _checked(wire: dict[str, Any]) -> CatalogChange:
    """The change of these fields, held to the same rules as a record of `catalog.changes`."""
    given = {name: value for name, value in wire.items() if value is not None}
    try:
        return decode_change(msgspec.json.encode(given), None)
    except (OverflowError, RecursionError) as error:
        raise ChangeRejected(f"the change cannot be kept: {error}", code="bad_schema") from error


def _is_data(ref: str) -> bool:
    return ref[:5].lower() == "data:"
