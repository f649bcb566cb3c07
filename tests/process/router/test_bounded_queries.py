"""No more queries at once than configured: the next one is told to come back."""

import asyncio
from typing import Any

from schemas.settings import ModelSettings, RouterSettings
from tests.process.router import peers
from tests.process.router.conftest import Stage, until

VECTOR = {"vector": [1.0] * 64, "generation": "g1"}


async def in_flight(stage: Stage, queries: int) -> None:
    async def reached() -> bool:
        return stage.metrics.registry.get_sample_value("lookalive_router_queries_in_flight") == queries

    await until(reached)


async def test_query_beyond_the_limit_is_busy(make_stage: Any) -> None:
    stage: Stage = await make_stage(router=RouterSettings(port=0, timeout_ms=2000, max_queries=2))
    stage.peers[0].misbehave = peers.never
    held = [asyncio.create_task(stage.ask("POST", "/v1/search", json=VECTOR)) for _ in range(2)]
    await in_flight(stage, 2)
    for method, path, body in (("POST", "/v1/search", VECTOR), ("GET", "/v1/items/a/similar", None)):
        async with stage.http.request(method, stage.url(path), json=body) as answer:
            assert answer.status == 429
            assert int(answer.headers["Retry-After"]) >= 1
            assert (await answer.json())["error"]["code"] == "busy"
    assert (await stage.ask("GET", "/healthz"))[0] == 200
    assert [(status, body["shards"]["timed_out"]) for status, body in await asyncio.gather(*held)] == [(200, 3)] * 2
    await in_flight(stage, 0)
    stage.peers[0].misbehave = None
    assert (await stage.ask("POST", "/v1/search", json=VECTOR))[0] == 200


async def test_full_embedding_queue_is_busy(make_stage: Any) -> None:
    stage: Stage = await make_stage(
        model=ModelSettings(name="fake", decode_threads=1, batch_wait_ms=0.0, queue_size=1),
    )
    asked = [stage.upload_status(n) for n in range(12)]
    statuses = [status for status, _ in await asyncio.gather(*asked)]
    assert 200 in statuses
    assert set(statuses) <= {200, 429}
