"""A shard that is late, dead or wrong is counted and left out; another replica takes over where there is one."""

from typing import Any

import aiohttp
import pytest

from schemas.errors import LookaliveError
from schemas.queries import SearchAnswer, ShardCounts
from schemas.settings import RouterSettings
from schemas.topics import partition_of
from tests.process.router import peers
from tests.process.router.conftest import PARTITIONS, SHARDS, Stage, until

ITEMS = [f"sku-{n}" for n in range(24)]
MISBEHAVIOURS = [peers.garbage, peers.not_a_number, peers.busy, peers.broken, peers.hangs_up]


def shard_of_item(item_id: str) -> int:
    return partition_of(item_id, PARTITIONS) % SHARDS


def fill(stage: Stage) -> None:
    for n, item_id in enumerate(ITEMS):
        stage.put(item_id, n)


def ids(answer: SearchAnswer) -> set[str]:
    return {hit.item_id for hit in answer.items}


def outside(shard: int) -> set[str]:
    return {item_id for item_id in ITEMS if shard_of_item(item_id) != shard}


@pytest.fixture
async def one_node_per_shard(make_stage: Any) -> Stage:
    stage: Stage = await make_stage(nodes=3, placement=[[0], [1], [2]])
    fill(stage)
    return stage


@pytest.mark.parametrize("misbehaviour", MISBEHAVIOURS, ids=lambda m: m.__name__)
async def test_wrong_answer_is_a_failed_shard(one_node_per_shard: Stage, misbehaviour: Any) -> None:
    one_node_per_shard.peers[1].misbehave = misbehaviour
    answer = await one_node_per_shard.client.search_picture(one_node_per_shard.upload(3), k=30)
    assert answer.shards == ShardCounts(3, 2, 1, 0)
    assert (ids(answer), answer.degraded) == (outside(1), None)


async def test_late_shard_is_left_out_of_an_answer_in_time(one_node_per_shard: Stage) -> None:
    one_node_per_shard.peers[2].misbehave = peers.never
    answer = await one_node_per_shard.client.search_picture(one_node_per_shard.upload(3), k=30, timeout_ms=400)
    assert answer.shards == ShardCounts(3, 2, 0, 1)
    assert ids(answer) == outside(2)


async def test_dead_node_is_a_failed_shard(one_node_per_shard: Stage) -> None:
    await one_node_per_shard.client.search_picture(one_node_per_shard.upload(3))
    await one_node_per_shard.peers[0].server.close()
    answer = await one_node_per_shard.client.search_picture(one_node_per_shard.upload(3), k=30)
    assert answer.shards == ShardCounts(3, 2, 1, 0)
    assert ids(answer) == outside(0)


async def test_shard_without_a_node_is_failed_at_once(make_stage: Any) -> None:
    stage: Stage = await make_stage(nodes=2, placement=[[0], [1], []])
    fill(stage)
    answer = await stage.client.search_picture(stage.upload(3), k=30)
    assert answer.shards == ShardCounts(3, 2, 1, 0)
    assert ids(answer) == outside(2)


@pytest.mark.parametrize("misbehaviour", MISBEHAVIOURS, ids=lambda m: m.__name__)
async def test_other_replica_takes_over(make_stage: Any, misbehaviour: Any) -> None:
    stage: Stage = await make_stage(nodes=2, placement=[[0, 1]] * SHARDS)
    fill(stage)
    stage.peers[0].misbehave = misbehaviour
    for _ in range(2):
        answer = await stage.client.search_picture(stage.upload(3), k=30)
        assert (answer.shards, ids(answer)) == (ShardCounts(3, 3, 0, 0), set(ITEMS))
    assert (await stage.client.item("sku-1")).item_id == "sku-1"


async def test_replicas_share_the_queries(make_stage: Any) -> None:
    stage: Stage = await make_stage(nodes=2, placement=[[0, 1]] * SHARDS)
    fill(stage)
    for _ in range(4):
        await stage.client.search_picture(stage.upload(3))
    assert [len(peer.searches) for peer in stage.peers] == [2 * SHARDS, 2 * SHARDS]


@pytest.mark.parametrize("misbehaviour", [*MISBEHAVIOURS, peers.never], ids=lambda m: m.__name__)
async def test_no_shard_at_all_is_an_empty_answer_that_says_so(stage: Stage, misbehaviour: Any) -> None:
    fill(stage)
    stage.peers[0].misbehave = misbehaviour
    answer = await stage.client.search_picture(stage.upload(3), timeout_ms=400)
    assert (answer.items, answer.shards.ok, answer.degraded) == ([], 0, "no_shards")
    assert answer.shards.failed + answer.shards.timed_out == SHARDS


@pytest.mark.parametrize(
    "misbehaviour", [*MISBEHAVIOURS[:1], *MISBEHAVIOURS[2:], peers.never], ids=lambda m: m.__name__
)
async def test_item_whose_shard_cannot_be_asked_is_not_ready(stage: Stage, misbehaviour: Any) -> None:
    fill(stage)
    stage.peers[0].misbehave = misbehaviour
    with pytest.raises(LookaliveError) as caught:
        await stage.client.similar("sku-1", timeout_ms=400)
    assert caught.value.code == "not_ready"


async def test_node_back_on_its_address_is_asked_again(one_node_per_shard: Stage) -> None:
    peer = one_node_per_shard.peers[1]
    for misbehaviour, ok in ((peers.hangs_up, 2), (None, 3), (peers.broken, 2), (None, 3)):
        peer.misbehave = misbehaviour
        answer = await one_node_per_shard.client.search_picture(one_node_per_shard.upload(3))
        assert answer.shards.ok == ok


async def test_client_that_goes_away_frees_its_place(make_stage: Any) -> None:
    stage: Stage = await make_stage(
        router=RouterSettings(port=0, timeout_ms=60_000, max_timeout_ms=60_000, max_queries=1)
    )
    fill(stage)
    stage.peers[0].misbehave = peers.never
    with pytest.raises((TimeoutError, aiohttp.ClientError)):
        await stage.ask(
            "POST",
            "/v1/search",
            json={"vector": [1.0] * 64, "generation": "g1"},
            timeout=aiohttp.ClientTimeout(total=0.3),
        )
    stage.peers[0].misbehave = None

    async def free() -> bool:
        return (await stage.ask("GET", "/v1/items/sku-1/similar"))[0] != 429

    await until(free)
    assert (await stage.client.similar("sku-1")).shards.ok == SHARDS


async def test_outcomes_are_counted(one_node_per_shard: Stage) -> None:
    one_node_per_shard.peers[1].misbehave = peers.broken
    await one_node_per_shard.client.search_picture(one_node_per_shard.upload(3))
    async with one_node_per_shard.http.get(one_node_per_shard.url("/metrics")) as answer:
        text = await answer.text()
    assert 'lookalive_router_shard_answers_total{outcome="ok"} 2.0' in text
    assert 'lookalive_router_shard_answers_total{outcome="failed"} 1.0' in text
    assert 'lookalive_router_requests_total{route="/v1/search",status="200"} 1.0' in text
    assert 'lookalive_router_stage_seconds_count{stage="fan-out"} 1.0' in text
