"""The live feed over HTTP: news of every shard once, silence said, listeners bounded, and nobody asked in vain."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from schemas.live import LiveItems, LiveStatus
from schemas.settings import RouterSettings
from tests.process.router.conftest import SETTINGS, SHARDS, Stage, until

Event = LiveItems | LiveStatus
HEARD = "lookalive_router_freshness_seconds_count"


@asynccontextmanager
async def listening(stage: Stage) -> AsyncIterator[aiohttp.ClientResponse]:
    async with stage.http.get(stage.url("/v1/live")) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        yield answer


async def next_event(answer: aiohttp.ClientResponse, kind: type[Event]) -> Any:
    """The next event of this kind."""
    async with asyncio.timeout(30):
        while True:
            line = await answer.content.readline()
            assert line, "the stream ended"
            if line.startswith(b"data: "):
                event = msgspec.json.decode(line.removeprefix(b"data: "), type=Event)
                if isinstance(event, kind):
                    return event


async def heard(answer: aiohttp.ClientResponse, count: int) -> list[str]:
    """The ids of so many changes."""
    items: list[str] = []
    while len(items) < count:
        items += [item.item_id for item in (await next_event(answer, LiveItems)).items]
    return items


async def test_listener_hears_what_was_and_what_comes(stage: Stage) -> None:
    telling = stage.peers[0]
    telling.tell("before", 0)
    async with listening(stage) as answer:
        first = await next_event(answer, LiveItems)
        assert [(i.item_id, i.kind, i.generation, i.delay_ms) for i in first.items] == [("before", "new", "g1", 250.0)]
        assert first.items[0].event_time == "1970-01-01T00:00:01.000000Z"
        telling.tell("after", 1)
        assert await heard(answer, 1) == ["after"]
        async with listening(stage) as late:
            assert await heard(late, 2) == ["before", "after"]
    async with stage.http.get(stage.url("/metrics")) as metrics:
        counts = [line for line in (await metrics.text()).splitlines() if line.startswith(HEARD)]
    # What the node remembered from before is no news to this router.
    assert counts == [f'{HEARD}{{kind="new",source="live",stage="{stage}"}} 1.0' for stage in ("seen", "total")]


async def test_replicas_tell_each_change_once(make_stage: Any) -> None:
    stage: Stage = await make_stage(2, [[0, 1]] * SHARDS)
    tellings = stage.peers
    async with listening(stage) as answer:
        assert (await next_event(answer, LiveStatus)) == LiveStatus(SHARDS, [], [])
        for telling in tellings:
            telling.tell("one", 0)
            telling.tell("two", 2)
        assert await heard(answer, 2) == ["one", "two"]
        tellings[0].silent = True
        assert (await next_event(answer, LiveStatus)) == LiveStatus(SHARDS, [], ["n0"])
        tellings[1].tell("three", 1)
        assert await heard(answer, 1) == ["three"]


async def test_silent_node_is_said_until_it_speaks_again(make_stage: Any) -> None:
    stage: Stage = await make_stage(2, [[0], [1], [0]])
    tellings = stage.peers
    async with listening(stage) as answer:
        assert (await next_event(answer, LiveStatus)) == LiveStatus(SHARDS, [], [])
        tellings[1].silent = True
        assert (await next_event(answer, LiveStatus)) == LiveStatus(SHARDS, [1], ["n1"])
        tellings[1].silent = False
        assert (await next_event(answer, LiveStatus)) == LiveStatus(SHARDS, [], [])


async def test_shard_that_does_not_serve_yet_is_said(stage: Stage) -> None:
    peer = stage.peers[0]
    peer.serving = [0, 2]
    async with listening(stage) as answer:
        assert (await next_event(answer, LiveStatus)) == LiveStatus(SHARDS, [1], [])
        peer.serving = [0, 1, 2]
        assert (await next_event(answer, LiveStatus)) == LiveStatus(SHARDS, [], [])


async def test_burst_is_cut_to_its_newest_and_the_rest_counted(stage: Stage) -> None:
    telling = stage.peers[0]
    async with listening(stage) as answer:
        await next_event(answer, LiveStatus)
        for number in range(1000):
            telling.tell(f"item-{number}", 0, 1_000_000 + number)
        shown, missed, last = 0, 0, ""
        while last != "item-999":
            event = await next_event(answer, LiveItems)
            shown, missed, last = shown + len(event.items), missed + event.missed, event.items[-1].item_id
        assert shown + missed == 1000
        assert shown < 200


async def test_more_listeners_than_allowed_are_refused(make_stage: Any) -> None:
    stage: Stage = await make_stage(router=msgspec.structs.replace(SETTINGS.router, max_listeners=1))
    async with listening(stage):
        status, body = await stage.ask("GET", "/v1/live")
        assert (status, body["error"]["code"]) == (429, "busy")

    async def there_is_room() -> bool:
        async with stage.http.get(stage.url("/v1/live")) as answer:
            return answer.status == 200

    await until(there_is_room)


async def test_nodes_are_asked_only_while_somebody_listens(stage: Stage) -> None:
    telling = stage.peers[0]
    async with listening(stage) as answer:
        await next_event(answer, LiveStatus)

    async def left_alone() -> bool:
        asked = telling.news_asked
        await asyncio.sleep(1)
        return telling.news_asked == asked

    await until(left_alone)
    assert telling.news_asked > 0


async def test_router_ends_although_somebody_listens(stage: Stage) -> None:
    async with listening(stage) as answer:
        await next_event(answer, LiveStatus)
        async with asyncio.timeout(30):
            await stage.server.close()
        assert (await answer.content.read()).startswith(b"") and answer.content.at_eof()


def test_the_limit_is_a_setting() -> None:
    assert RouterSettings().max_listeners > 0
