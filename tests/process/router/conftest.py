"""A router listening on a real port, between shard nodes that the test holds and clients over HTTP."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import msgspec
import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from embedder.models.fake import FakeEncoder
from query_router.client import AsyncRouterClient
from query_router.metrics import RouterMetrics
from query_router.query_embedding import QueryEmbedder
from query_router.server import build_app
from schemas.cluster import ClusterView, Generation, Installation, NodeReport, Placement
from schemas.settings import ImageSettings, ModelSettings, RouterSettings, Settings
from schemas.topics import partition_of
from tests.process.pictures import encoded, picture
from tests.process.router.peers import ShardPeer, Vectors

SHARDS, PARTITIONS = 3, 12
SETTINGS = Settings(
    model=ModelSettings(name="fake", decode_threads=1, batch_wait_ms=0.0),
    images=ImageSettings(max_bytes=200_000),
    router=RouterSettings(port=0, timeout_ms=20_000),
)


class Stage:
    """The router under test and everything around it."""

    def __init__(self, settings: Settings, peers: list[ShardPeer]) -> None:
        self.peers = peers
        self.view = ClusterView()
        self.encoder = FakeEncoder()
        self.metrics = RouterMetrics()
        self.embedder = QueryEmbedder(settings.model, settings.images, self.metrics.registry)
        self.log_trouble: str | None = None
        app = build_app(settings, lambda: self.view, self.embedder, self.metrics, lambda: self.log_trouble)
        self.app: web.Application = app
        self.server = TestServer(app, handler_cancellation=True)
        self.http: aiohttp.ClientSession
        self.client: AsyncRouterClient

    def announce(self, placement: list[list[int]]) -> None:
        """Tell the router which peers (by number) serve which shard."""
        name = "g1"
        self.view.apply(Installation(partitions=PARTITIONS, log_id="log"))
        self.view.apply(
            Generation(
                name=name,
                model="fake",
                fingerprint=self.encoder.fingerprint,
                dimension=self.encoder.dimension,
                shards=len(placement),
            )
        )
        for number, peer in enumerate(self.peers):
            serving = [shard for shard, nodes in enumerate(placement) if number in nodes]
            peer.serving = serving
            self.view.apply(NodeReport(node=f"n{number}", url=peer.url, serving={name: serving}))
        wanted = [[f"n{number}" for number in nodes] for nodes in placement]
        self.view.apply(Placement(epoch=1, writer="test", serving=name, shards={name: wanted}))

    def vectors_of(self, *seeds: int | str) -> Vectors:
        """The vectors the catalogue would have of these pictures, (n, dimension)."""
        size = self.encoder.preprocessing.size
        batch = np.stack([np.array(picture(seed, (size, size))) for seed in seeds])
        return self.encoder.encode(batch).vectors

    def put(self, item_id: str, *seeds: int | str, **attributes: Any) -> None:
        """Put an item with these pictures into its shard, on every node that serves it."""
        shard = partition_of(item_id, PARTITIONS) % SHARDS
        for number, peer in enumerate(self.peers):
            if shard in self.view.nodes[f"n{number}"].serving["g1"]:
                peer.put(shard, item_id, self.vectors_of(*seeds), **attributes)

    def upload(self, seed: int | str) -> bytes:
        """The encoded picture of this seed, of the size the model takes, so that nothing is resized."""
        size = self.encoder.preprocessing.size
        return encoded(picture(seed, (size, size)))

    async def upload_status(self, seed: int | str) -> tuple[int, Any]:
        """Status and JSON of the answer to an upload of this picture."""
        return await self.ask("POST", "/v1/search", data={"image": io.BytesIO(self.upload(seed))})

    def url(self, path: str) -> str:
        return str(self.server.make_url("")).rstrip("/") + path

    async def ask(self, method: str, path: str, **extra: Any) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        async with self.http.request(method, self.url(path), **extra) as answer:
            return answer.status, msgspec.json.decode(await answer.read())


async def until(reached: Callable[[], Awaitable[bool]]) -> None:
    """Look again and again, half a minute at most."""
    async with asyncio.timeout(30):
        while not await reached():  # noqa: ASYNC110  what is waited for happens on the other side of HTTP
            await asyncio.sleep(0.005)


@pytest.fixture
async def make_stage() -> AsyncIterator[Any]:
    """Builds stages of any number of nodes and any settings; ends them all."""
    async with AsyncExitStack() as stack:

        async def make(
            nodes: int = 1, placement: list[list[int]] | None = None, *, load: bool = True, **changes: Any
        ) -> Stage:
            peers = [ShardPeer() for _ in range(nodes)]
            for peer in peers:
                await peer.server.start_server()
                stack.push_async_callback(peer.server.close)
            stage = Stage(msgspec.structs.replace(SETTINGS, **changes), peers)
            await stage.server.start_server()
            stack.push_async_callback(stage.server.close)
            stack.push_async_callback(stage.embedder.stop)
            if load:
                await stage.embedder.start()
            stage.announce(placement or [[0]] * SHARDS)
            stage.http = await stack.enter_async_context(aiohttp.ClientSession())
            stage.client = await stack.enter_async_context(AsyncRouterClient(stage.url("")))
            return stage

        yield make


@pytest.fixture
async def stage(make_stage: Any) -> Stage:
    """A router over one node that serves three shards."""
    made: Stage = await make_stage()
    return made
