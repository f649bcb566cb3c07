"""Shard nodes as the router's tests need them: small HTTP servers that speak the real protocol and can misbehave."""

import asyncio
from typing import Any
from urllib.parse import unquote

import msgspec
import numpy as np
import numpy.typing as npt
from aiohttp import web
from aiohttp.test_utils import TestServer

from index_shards.node.news_ring import NewsRing
from schemas.filters import matches, parse_filter
from schemas.queries import ShardHits, ShardSearch, StoredItem, pack_vector, unpack_vector

Vectors = npt.NDArray[np.float32]
EVENT_US, SEARCHABLE_US = 1_732_190_000_000_000, 1_732_190_001_500_000


class ShardPeer:
    """One node: items by shard, answered exactly; `misbehave` is a handler that answers instead."""

    def __init__(self) -> None:
        self.items: dict[int, dict[str, tuple[Vectors, dict[str, Any]]]] = {}
        self.misbehave: Any = None
        self.searches: list[tuple[int, ShardSearch]] = []
        self.news, self.news_asked, self.silent = NewsRing(), 0, False
        self.serving: list[int] = []
        app = web.Application()
        app.router.add_post("/v1/shards/{generation}/{shard}/search", self._search)
        app.router.add_get("/v1/shards/{generation}/{shard}/items/{item_id:[^/]+}", self._item)
        app.router.add_get("/v1/live", self._live)
        self.server = TestServer(app)

    @property
    def url(self) -> str:
        return str(self.server.make_url("")).rstrip("/")

    def put(self, shard: int, item_id: str, vectors: Vectors, **attributes: Any) -> None:
        self.items.setdefault(shard, {})[item_id] = (vectors, attributes)

    def tell(self, item_id: str, shard: int, moment_us: int = 1_000_000) -> None:
        """Note a new item, searchable a quarter of a second after its event."""
        self.news.note(item_id, "new", "g1", shard, moment_us, moment_us + 250_000)

    async def _live(self, request: web.Request) -> web.Response:
        self.news_asked += 1
        if self.silent:
            return web.Response(status=503)
        news = msgspec.structs.replace(self.news.since(request.query["since"]), serving={"g1": self.serving})
        return web.Response(body=msgspec.json.encode(news))

    async def _search(self, request: web.Request) -> web.StreamResponse:
        shard = int(request.match_info["shard"])
        asked = msgspec.msgpack.decode(await request.read(), type=ShardSearch)
        self.searches.append((shard, asked))
        if self.misbehave is not None:
            answer: web.StreamResponse = await self.misbehave(request)
            return answer
        return _packed(self._hits(shard, asked))

    def _hits(self, shard: int, asked: ShardSearch) -> ShardHits:
        items = self.items.get(shard, {})
        wanted = parse_filter(asked.filter or {})
        query = unpack_vector(asked.vector)
        found = [
            (item_id, float(np.max(vectors @ query)), msgspec.json.encode(attributes))
            for item_id, (vectors, attributes) in items.items()
            if item_id != asked.exclude and matches(wanted, attributes)
        ]
        found.sort(key=lambda hit: (-hit[1], hit[0]))
        known = {name for _, attributes in items.values() for name in attributes}
        return ShardHits(
            hits=[(i, s, a if asked.include_attributes else None) for i, s, a in found[: asked.k]],
            unknown_attributes=sorted(wanted.attributes() - known),
        )

    async def _item(self, request: web.Request) -> web.StreamResponse:
        if self.misbehave is not None:
            answer: web.StreamResponse = await self.misbehave(request)
            return answer
        item_id = unquote(request.rel_url.raw_path.rpartition("/")[2])
        held = self.items.get(int(request.match_info["shard"]), {}).get(item_id)
        if held is None:
            return web.json_response({"error": {"code": "unknown_item", "message": "", "details": {}}}, status=404)
        vectors, attributes = held
        return _packed(
            StoredItem(
                item_id=item_id,
                version=7,
                attributes=msgspec.json.encode(attributes),
                event_us=EVENT_US,
                searchable_us=SEARCHABLE_US,
                vectors=[pack_vector(vector) for vector in vectors],
            )
        )


def _packed(body: object) -> web.Response:
    return web.Response(body=msgspec.msgpack.encode(body), content_type="application/msgpack")


async def never(_: web.Request) -> web.StreamResponse:
    """A node that takes the question and does not answer."""
    await asyncio.Event().wait()
    raise AssertionError


async def garbage(_: web.Request) -> web.StreamResponse:
    return web.Response(body=b"\x93this is no answer", content_type="application/msgpack")


async def not_a_number(_: web.Request) -> web.StreamResponse:
    return _packed(ShardHits(hits=[("x", float("nan"), None)]))


async def busy(_: web.Request) -> web.StreamResponse:
    return web.json_response({"error": {"code": "busy", "message": "full", "details": {}}}, status=429)


async def broken(_: web.Request) -> web.StreamResponse:
    return web.Response(status=500, text="Traceback (most recent call last)")


async def hangs_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
