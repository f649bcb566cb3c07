"""The two ends of a request: the item its path names, and JSON that goes back."""

import urllib.parse

import msgspec
from aiohttp import web

from schemas.canary import CANARY_HEADER, is_canary
from schemas.changes import check_item_id
from schemas.errors import ChangeRejected, UnknownItem


def item_id_of(request: web.Request) -> str:
    """The id in `/v1/items/{item_id}`, from the path as it was sent: `%2F` belongs to the id, `/` does not.

    Raises:
        ChangeRejected: `bad_id`, when it is not UTF-8, or no id.
    """
    segment = request.rel_url.raw_path.split("/")[3]
    try:
        item_id = urllib.parse.unquote_to_bytes(segment.encode(errors="surrogateescape")).decode()
        return check_item_id(item_id, canary=True)
    except UnicodeDecodeError as error:
        raise ChangeRejected("the item id in the path is not UTF-8", code="bad_id") from error


def shown_item_of(request: web.Request) -> str:
    """The id in the path, of an item that this request may see.

    Raises:
        ChangeRejected: `bad_id`, see `item_id_of`.
        UnknownItem: a canary, which only the system's own requests see.
    """
    item_id = item_id_of(request)
    if is_canary(item_id) and CANARY_HEADER not in request.headers:
        raise UnknownItem(item_id)
    return item_id


def json_response(body: object, status: int = 200) -> web.Response:
    """This as JSON."""
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")
