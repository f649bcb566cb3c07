"""Ready means that everything is there; later, a lost shard is no reason to send people away."""

from typing import Any

from schemas.cluster import ClusterView, Generation, NodeReport
from tests.process.router.conftest import SHARDS, Stage


async def reasons(stage: Stage) -> list[str]:
    status, body = await stage.ask("GET", "/readyz")
    if status == 200:
        return []
    assert (status, body["error"]["code"]) == (503, "not_ready")
    found: list[str] = body["error"]["details"]["reasons"]
    assert found
    return found


async def test_reasons_go_away_one_by_one(make_stage: Any) -> None:
    stage: Stage = await make_stage(nodes=2, placement=[[0], [0], [1]], load=False)
    full, stage.view = stage.view, ClusterView()
    assert len(await reasons(stage)) == 3
    assert (await stage.ask("GET", "/healthz"))[0] == 200
    assert (await stage.ask("GET", "/v1/items/a"))[0] == 503
    stage.view = full
    assert ["loaded" in reason for reason in await reasons(stage)] == [True]
    await stage.embedder.start()
    assert await reasons(stage) == []
    assert await stage.client.ready()


async def test_every_shard_must_be_served_at_first_and_one_later(make_stage: Any) -> None:
    stage: Stage = await make_stage(nodes=2, placement=[[0], [0], [1]])
    whole = dict(stage.view.nodes)
    stage.view.apply(NodeReport(node="n1", url=stage.peers[1].url, serving={}))
    assert ["shard 2" in reason for reason in await reasons(stage)] == [True]
    stage.view.nodes.update(whole)
    assert await reasons(stage) == []
    stage.view.apply(NodeReport(node="n1", url=stage.peers[1].url, serving={}))
    assert await reasons(stage) == []
    stage.view.apply(NodeReport(node="n0", url=stage.peers[0].url, serving={}))
    assert len(await reasons(stage)) == 1


async def test_a_log_that_is_away_is_said_and_stops_no_search(stage: Stage) -> None:
    stage.put("sku-1", 1)
    assert await reasons(stage) == []
    stage.log_trouble = "Kafka does not answer"
    assert await reasons(stage) == ["Kafka does not answer"]
    status, body = await stage.upload_status(1)
    assert (status, body["items"][0]["item_id"], body["degraded"]) == (200, "sku-1", None)
    assert (await stage.ask("GET", "/v1/items/sku-1"))[0] == 200
    stage.log_trouble = None
    assert await reasons(stage) == []


async def test_model_of_another_generation_embeds_no_queries(stage: Stage) -> None:
    stage.put("sku-1", 1)
    stage.put("sku-2", 2)
    assert await reasons(stage) == []
    stage.view.apply(Generation(name="g1", model="other", fingerprint="0" * 16, dimension=64, shards=SHARDS))
    assert len(await reasons(stage)) == 1
    status, body = await stage.upload_status(1)
    assert (status, body["error"]["code"]) == (503, "no_embedder")
    assert [hit.item_id for hit in (await stage.client.search_item("sku-1")).items] == ["sku-2"]


async def test_worker_that_ended_embeds_no_queries(stage: Stage) -> None:
    await stage.embedder.stop()
    assert len(await reasons(stage)) == 1
    status, body = await stage.upload_status(1)
    assert (status, body["error"]["code"]) == (503, "no_embedder")
