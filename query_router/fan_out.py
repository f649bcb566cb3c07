"""Fan-out: every shard of a generation asked at once, within a deadline."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Literal, NamedTuple, TypeVar

import msgspec

from query_router.hedging import first_answer
from query_router.metrics import RouterMetrics
from query_router.node_client import NodeClient, NotServed
from query_router.placement_view import Pin, PlacementView
from schemas.errors import NotReady
from schemas.item_trace import ItemTrace
from schemas.queries import ShardCounts, ShardHits, ShardSearch, StoredItem

# A replica may take this share of the time that is left before another one is asked as well.
PATIENCE_SHARE = 0.25

Outcome = Literal["ok", "failed", "timed_out"]
Answer = TypeVar("Answer")


class ShardAnswer(NamedTuple):
    """What became of one shard; it is ok when it answered for every vector, one `ShardHits` for each."""

    shard: int
    outcome: Outcome
    hits: tuple[ShardHits, ...] = ()


class FanOut:
    """Asks one serving replica of each shard, and the others when it fails or is late."""

    def __init__(self, placement: PlacementView, nodes: NodeClient, metrics: RouterMetrics) -> None:
        self._placement = placement
        self._nodes = nodes
        self._metrics = metrics

    async def search(self, pin: Pin, searches: list[ShardSearch], until_s: float) -> list[ShardAnswer]:
        """Every shard's answer to every search, by shard; returns by `until_s` (the loop's clock), whoever is late."""
        bodies = [msgspec.msgpack.encode(one) for one in searches]
        shards = range(pin.generation.shards)
        answers = await asyncio.gather(*(self._search_shard(pin, shard, bodies, until_s) for shard in shards))
        for answer in answers:
            self._metrics.shards.labels(answer.outcome).inc()
        return answers

    async def item(self, pin: Pin, item_id: str, until_s: float) -> StoredItem:
        """The item as its owner shard has it.

        Raises:
            UnknownItem: the shard does not have it.
            NotReady: no replica of the shard could be asked in time.
        """
        shard, name = pin.owner(item_id), pin.generation.name

        async def ask(node_url: str) -> StoredItem:
            return await self._nodes.item(node_url, name, shard, item_id)

        return await self._in_time(pin, shard, ask, until_s)

    async def trace(self, pin: Pin, item_id: str, until_s: float) -> ItemTrace:
        """What one replica of its owner shard knows of an item; raises NotReady as `item`."""
        shard, name = pin.owner(item_id), pin.generation.name

        async def ask(node_url: str) -> ItemTrace:
            return (await self._nodes.traces(node_url, name, shard, [item_id]))[0]

        return await self._in_time(pin, shard, ask, until_s)

    async def traces(self, pin: Pin, shard: int, item_ids: list[str], until_s: float) -> list[list[ItemTrace] | None]:
        """What each serving replica of a shard knows of these items; None for one that did not answer.

        A replica that is gone is left out: searches do not reach it either.
        """
        name = pin.generation.name

        async def ask(node_url: str) -> list[ItemTrace] | None:
            try:
                async with asyncio.timeout_at(until_s):
                    return await self._nodes.traces(node_url, name, shard, item_ids)
            except NotServed:
                return []
            except (NotReady, TimeoutError):
                return None

        asked = [ask(replica.url) for replica in self._placement.replicas(name, shard)]
        return [answer for answer in await asyncio.gather(*asked) if answer is None or answer]

    async def _in_time(self, pin: Pin, shard: int, ask: Callable[[str], Awaitable[Answer]], until_s: float) -> Answer:
        try:
            async with asyncio.timeout_at(until_s):
                return await self._ask_replicas(pin, shard, ask, until_s)
        except TimeoutError as error:
            raise NotReady(f"shard {shard} did not answer in time", shard=shard) from error

    async def _search_shard(self, pin: Pin, shard: int, bodies: list[bytes], until_s: float) -> ShardAnswer:
        name = pin.generation.name

        async def ask(node_url: str) -> tuple[ShardHits, ...]:
            asked = [self._nodes.search(node_url, name, shard, body) for body in bodies]
            return tuple(await _all_or_first_error(asked))

        try:
            async with asyncio.timeout_at(until_s):
                return ShardAnswer(shard, "ok", await self._ask_replicas(pin, shard, ask, until_s))
        except TimeoutError:
            return ShardAnswer(shard, "timed_out")
        except NotReady:
            return ShardAnswer(shard, "failed")

    async def _ask_replicas(
        self, pin: Pin, shard: int, ask: Callable[[str], Awaitable[Answer]], until_s: float
    ) -> Answer:
        """The answer of one serving replica: of the next one when one fails, or takes a good part of the time left."""
        name = pin.generation.name
        asks = [partial(ask, replica.url) for replica in self._placement.replicas(name, shard)]
        patience_s = PATIENCE_SHARE * max(until_s - asyncio.get_running_loop().time(), 0.0)
        return await first_answer(asks, patience_s, NotReady(f"no node serves shard {shard} of {name}", shard=shard))


def counts_of(answers: list[ShardAnswer]) -> ShardCounts:
    """How many shards there are, and what became of them."""
    outcomes = [answer.outcome for answer in answers]
    return ShardCounts(len(outcomes), outcomes.count("ok"), outcomes.count("failed"), outcomes.count("timed_out"))


async def _all_or_first_error(asked: Sequence[Awaitable[ShardHits]]) -> list[ShardHits]:
    """All answers; when one fails, the others are not left behind."""
    tasks = [asyncio.ensure_future(one) for one in asked]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
