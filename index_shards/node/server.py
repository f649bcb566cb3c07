"""The node's HTTP side: searches and items for routers, status and health for operators."""

import os

import msgspec
from aiohttp import web
from prometheus_client import generate_latest

from index_shards.node.canaries import without_canaries
from index_shards.node.hosted_shard import HostedShard
from index_shards.node.http_errors import answer_errors, error_response
from index_shards.node.item_traces import trace_route
from index_shards.node.metrics import NodeMetrics, ShardGauges
from index_shards.node.reconciler import Reconciler
from index_shards.node.search_pool import SearchPool
from index_shards.searcher import Found, Query
from schemas.errors import InputError, LookaliveError, NotReady, TooLarge
from schemas.filters import parse_filter
from schemas.node_status import NodeStatus
from schemas.queries import MAX_K, MAX_OFFSET, NODE_CONTENT_TYPE, ShardHits, ShardSearch, unpack_vector

MAX_BODY_BYTES = 4 * 1024 * 1024
# Routers keep connections for less than this, so that the node is not the one who closes them.
KEEP_ALIVE_S = 75.0

_search_decoder = msgspec.msgpack.Decoder(ShardSearch)


class NodeServer:
    """The routes of one node."""

    def __init__(self, node: str, reconciler: Reconciler, pool: SearchPool, metrics: NodeMetrics) -> None:
        self._node, self._reconciler, self._pool, self._metrics = node, reconciler, pool, metrics
        metrics.registry.register(ShardGauges(reconciler.statuses))
        metrics.waiting.set_function(lambda: pool.in_flight)

    def app(self) -> web.Application:
        """The application with its routes."""
        app = web.Application(middlewares=[answer_errors], client_max_size=MAX_BODY_BYTES)
        app.add_routes(
            [
                web.post("/v1/shards/{generation}/{shard}/search", self.search),
                web.get("/v1/shards/{generation}/{shard}/items/{item_id:.+}", self.item),
                trace_route(lambda request: self._hosted(request).shard, self._pool),
                web.get("/v1/status", self.status),
                web.get("/v1/live", self.live),
                web.get("/healthz", self.health),
                web.get("/readyz", self.readiness),
                web.get("/metrics", self.exposition),
            ]
        )
        return app

    async def search(self, request: web.Request) -> web.Response:
        """`ShardSearch` in, `ShardHits` out."""
        hosted = self._hosted(request)
        shard = hosted.shard
        asked = _decode_search(await _body(request))
        labels = (shard.generation.name, str(shard.number))
        try:
            body = await self._pool.run(self._answer, hosted, asked)
        except LookaliveError as error:
            self._metrics.searches.labels(*labels, error.code).inc()
            raise
        self._metrics.searches.labels(*labels, "ok").inc()
        return web.Response(body=body, content_type=NODE_CONTENT_TYPE)

    async def item(self, request: web.Request) -> web.Response:
        """The `StoredItem` of this id."""
        shard = self._hosted(request).shard
        body = await self._pool.run(lambda: msgspec.msgpack.encode(shard.get(request.match_info["item_id"])))
        return web.Response(body=body, content_type=NODE_CONTENT_TYPE)

    async def status(self, request: web.Request) -> web.Response:
        """`NodeStatus` as JSON."""
        # The epoch first: what a shard is told to be is never older than what the epoch promises.
        epoch, shards = self._reconciler.epoch, self._reconciler.statuses()
        status = NodeStatus(node=self._node, pid=os.getpid(), shards=shards, epoch=epoch)
        return web.Response(body=msgspec.json.encode(status), content_type="application/json")

    async def live(self, request: web.Request) -> web.Response:
        """`NodeLive` as JSON: what searches show since the cursor `since`."""
        news = self._reconciler.news.since(request.query.get("since", ""))
        news = msgspec.structs.replace(news, serving=self._reconciler.serving())
        return web.Response(body=msgspec.json.encode(news), content_type="application/json")

    async def health(self, request: web.Request) -> web.Response:
        """The process answers."""
        return web.json_response({"status": "ok"})

    async def readiness(self, request: web.Request) -> web.Response:
        """Whether every placed shard serves; 503 says what is missing."""
        reasons = self._reconciler.reasons_not_ready()
        if reasons:
            return error_response(NotReady("; ".join(reasons), reasons=reasons))
        return web.json_response({"status": "ready"})

    async def exposition(self, request: web.Request) -> web.Response:
        """Prometheus' text format."""
        body = generate_latest(self._metrics.registry)
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    def _hosted(self, request: web.Request) -> HostedShard:
        number = request.match_info["shard"]
        if not number.isascii() or not number.isdecimal():
            raise InputError(f"a shard is a number, not {number!r}", code="bad_shard")
        return self._reconciler.hosted(request.match_info["generation"], int(number))

    def _answer(self, hosted: HostedShard, asked: ShardSearch) -> bytes:
        """Runs in a search thread."""
        shard = hosted.shard
        with self._metrics.search_seconds.labels(shard.generation.name, str(shard.number)).time():
            wanted = None if asked.filter is None else parse_filter(asked.filter)
            query = Query(unpack_vector(asked.vector), asked.k, wanted, asked.exact, asked.exclude)
            found = hosted.search(query) if asked.canaries else without_canaries(hosted.search, query)
            return msgspec.msgpack.encode(_hits(found, asked.include_attributes))


def _hits(found: Found, include_attributes: bool) -> ShardHits:
    return ShardHits(
        hits=[(i.item_id, i.score, i.attributes if include_attributes else None) for i in found.items],
        unknown_attributes=found.unknown_attributes,
    )


async def _body(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise TooLarge(f"a search has at most {MAX_BODY_BYTES} bytes") from error


def _decode_search(body: bytes) -> ShardSearch:
    try:
        asked = _search_decoder.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise InputError(f"not a search: {error}") from error
    if not 1 <= asked.k <= MAX_K + MAX_OFFSET:
        raise InputError(f"k must be 1 to {MAX_K + MAX_OFFSET}, not {asked.k}", code="bad_k")
    if len(asked.vector) % 4:
        raise InputError("a vector is float32 numbers of 4 bytes each", code="bad_vector")
    return asked
