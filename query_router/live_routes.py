"""`GET /v1/live`: the live feed as server-sent events (the WHATWG HTML standard's `text/event-stream`)."""

import asyncio

import msgspec
from aiohttp import web

from query_router.live_feed import LiveEvent, LiveFeed
from query_router.openapi import RouteDoc
from schemas.live import LiveItems, LiveStatus

HEARTBEAT_S, RECONNECT_MS = 10.0, 2000
HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}

LIVE = web.AppKey("live", LiveFeed)
LIVE_DOC = RouteDoc(
    "What becomes searchable, as it does",
    "Server-sent events without end: `items` (new items, new pictures, changed attributes, deletes, each with its "
    "delay from event to searchable) and `status` (which shards and nodes the feed does not hear). It begins with the "
    "newest that is remembered. A burst is cut to its newest; `missed` counts the rest. Replays are no news.",
    answer=LiveItems | LiveStatus,
    answer_type="text/event-stream",
    errors=(429,),
)


async def live(request: web.Request) -> web.StreamResponse:
    """Stream events until the listener leaves or the router stops."""
    with request.app[LIVE].listener() as listener:
        response = web.StreamResponse(headers=HEADERS)
        await response.prepare(request)
        try:
            await response.write(f"retry: {RECONNECT_MS}\n\n".encode())
            while True:
                try:
                    async with asyncio.timeout(HEARTBEAT_S):
                        event = await listener.get()
                except TimeoutError:
                    await response.write(b": alive\n\n")
                    continue
                if event is None:
                    return response
                await response.write(_encoded(event))
        except ConnectionResetError:
            return response


def _encoded(event: LiveEvent) -> bytes:
    name = "items" if isinstance(event, LiveItems) else "status"
    return f"event: {name}\ndata: ".encode() + msgspec.json.encode(event) + b"\n\n"
