"""The node's answer to routers that follow changes: what is known of items, whether they can be found or not."""

from collections.abc import Callable

import msgspec
from aiohttp import web

from index_shards.node.search_pool import SearchPool
from index_shards.shard import Shard
from schemas.errors import InputError, TooLarge
from schemas.item_trace import MAX_TRACED
from schemas.queries import NODE_CONTENT_TYPE

_ids_decoder = msgspec.msgpack.Decoder(list[str])


def trace_route(shard_of: Callable[[web.Request], Shard], pool: SearchPool) -> web.RouteDef:
    """A list of ids in, as MessagePack, a list of `ItemTrace` out, in the same order.

    `shard_of` gives the shard a request names, or raises what is to be answered.
    """

    async def traces(request: web.Request) -> web.Response:
        shard = shard_of(request)
        item_ids = _decode_ids(await _body(request))
        body = await pool.run(lambda: msgspec.msgpack.encode([shard.trace(item_id) for item_id in item_ids]))
        return web.Response(body=body, content_type=NODE_CONTENT_TYPE)

    return web.post("/v1/shards/{generation}/{shard}/traces", traces)


async def _body(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise TooLarge("the list of items to trace is too long") from error


def _decode_ids(body: bytes) -> list[str]:
    try:
        item_ids = _ids_decoder.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise InputError(f"not a list of item ids: {error}") from error
    if len(item_ids) > MAX_TRACED:
        raise InputError(f"at most {MAX_TRACED} items are traced at once, not {len(item_ids)}", code="too_many")
    return item_ids
