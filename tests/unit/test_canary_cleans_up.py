"""A canary takes its item away however its flight ends."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from ops.watch_canary import Canary
from schemas.canary import CANARY_HEADER, CANARY_PREFIX
from schemas.errors import LookaliveError, NotReady

EMPTY = {
    "query_id": "q",
    "generation": "g1",
    "took_ms": 1.0,
    "items": [],
    "shards": {"total": 1, "ok": 1, "failed": 0, "timed_out": 0},
}


class Router:
    """Takes every write and never finds anything; `searches_fail` makes it fall over after the first write."""

    def __init__(self) -> None:
        self.written: list[tuple[str, str]] = []
        self.searched = asyncio.Event()
        self.searches_fail = False

    async def write(self, request: web.Request) -> web.Response:
        assert CANARY_HEADER in request.headers
        self.written.append((request.method, request.match_info["item_id"]))
        return web.json_response({}, status=202)

    async def search(self, request: web.Request) -> web.Response:
        assert CANARY_HEADER in request.headers
        self.searched.set()
        if self.searches_fail:
            return web.json_response({"error": {"code": "not_ready", "message": "no", "details": {}}}, status=503)
        return web.json_response(EMPTY)


@pytest.fixture
async def router() -> Router:
    return Router()


@pytest.fixture
async def url(router: Router) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/v1/items/{item_id}", router.write)
    app.router.add_post("/v1/search", router.search)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


def check(router: Router) -> None:
    assert [method for method, _ in router.written] == ["PUT", "DELETE"]
    assert len({item_id for _, item_id in router.written}) == 1
    assert router.written[0][1].startswith(CANARY_PREFIX)


async def test_when_it_is_cancelled(router: Router, url: str) -> None:
    flight = asyncio.create_task(Canary(url, 60).fly())
    await router.searched.wait()
    flight.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flight
    check(router)


async def test_when_it_is_not_found_in_time(router: Router, url: str) -> None:
    with pytest.raises(NotReady, match="not found"):
        await Canary(url, 0.05).fly()
    check(router)


async def test_when_searches_fail(router: Router, url: str) -> None:
    router.searches_fail = True
    with pytest.raises(LookaliveError, match="no"):
        await Canary(url, 60).fly()
    check(router)
