"""Waiting for replicas: all that serve must show a change, those that are gone do not count, and waits are bounded."""

import asyncio
from typing import Any, cast

import pytest

from query_router.change_fate import Outcome, Written
from query_router.change_log import Position
from query_router.change_watch import ChangeWatch
from query_router.fan_out import FanOut
from query_router.placement_view import PlacementView
from query_router.reject_view import RejectView
from schemas.changes import CatalogChange
from schemas.cluster import ClusterView, Generation, Installation, Placement
from schemas.errors import Busy
from schemas.item_state import Origin, apply_change, encode_state
from schemas.item_trace import MAX_TRACED, ItemTrace
from schemas.rejects import Reject, RejectOrigin

BEHIND, SHOWS, SILENT = "behind", "shows", "silent"


class Replicas:
    """A shard's replicas by name; what each knows is set by the test. One that is gone is not among them."""

    def __init__(self, **known: str) -> None:
        self.known = known
        self.asked: list[list[str]] = []

    async def traces(self, _pin: Any, _shard: int, item_ids: list[str], _until_s: float) -> list[Any]:
        self.asked.append(item_ids)
        await asyncio.sleep(0)
        return [None if how == SILENT else [trace(i, how == SHOWS) for i in item_ids] for how in self.known.values()]


def upsert(item_id: str) -> CatalogChange:
    return CatalogChange(op="upsert", item_id=item_id, images=("file:///1.png",), time_us=5)


def trace(item_id: str, shown: bool) -> ItemTrace:
    if not shown:
        return ItemTrace(item_id=item_id)
    state = apply_change(None, upsert(item_id), Origin(0, 3, 0))
    assert state.image is not None
    return ItemTrace(item_id=item_id, state=encode_state(state), image_at=state.image.at, findable=True)


def written(item_id: str = "a") -> Written:
    return Written(upsert(item_id), Position(0, 3), 5)


def watch_of(replicas: Replicas, limit: int = 1000, rejects: RejectView | None = None) -> ChangeWatch:
    view = ClusterView()
    view.apply(Installation(partitions=1, log_id="log"))
    view.apply(Generation(name="g1", model="fake", fingerprint="f", dimension=4, shards=1))
    view.apply(Placement(epoch=1, writer="w", serving="g1", shards={"g1": [["n1"]]}))
    placement = PlacementView(lambda: view)
    return ChangeWatch(placement, cast("FanOut", replicas), rejects or RejectView(), limit)


async def outcome(watch: ChangeWatch, timeout_s: float) -> Outcome:
    until_s = asyncio.get_running_loop().time() + timeout_s
    return (await watch.wait(written(), until_s)).outcome


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"n1": SHOWS}, Outcome.SHOWN),
        ({"n1": SHOWS, "n2": SHOWS}, Outcome.SHOWN),
        ({"n1": SHOWS, "n2": BEHIND}, Outcome.PENDING),
        ({"n1": SHOWS, "n2": SILENT}, Outcome.PENDING),
        ({"n1": SILENT}, Outcome.PENDING),
        ({}, Outcome.PENDING),
    ],
)
async def test_every_serving_replica_counts(known: dict[str, str], expected: Outcome) -> None:
    watch = watch_of(Replicas(**known))
    assert await outcome(watch, 30 if expected is Outcome.SHOWN else 0.1) is expected
    await watch.close()


async def test_last_replica_to_show_it_ends_the_wait() -> None:
    replicas = Replicas(n1=SHOWS, n2=BEHIND)
    watch = watch_of(replicas)
    waiting = asyncio.create_task(outcome(watch, 30))
    while len(replicas.asked) < 3:  # noqa: ASYNC110  what is counted has no event
        await asyncio.sleep(0.01)
    assert not waiting.done()
    replicas.known["n2"] = SHOWS
    assert await waiting is Outcome.SHOWN
    await watch.close()


async def test_refusal_ends_the_wait_before_anything_is_merged() -> None:
    rejects = RejectView()
    watch = watch_of(Replicas(n1=BEHIND), rejects=rejects)
    waiting = asyncio.create_task(outcome(watch, 30))
    await asyncio.sleep(0)
    origin = RejectOrigin("catalog.changes", 0, 3, 5)
    rejects.add(Reject(reason="bad_schema", message="too large", origin=origin, item_id="a"))
    assert await waiting is Outcome.REJECTED
    await watch.close()


async def test_all_who_wait_share_one_question() -> None:
    replicas = Replicas(n1=SHOWS)
    watch = watch_of(replicas)
    until_s = asyncio.get_running_loop().time() + 30
    fates = await asyncio.gather(*(watch.wait(written(f"i{n}"), until_s) for n in range(MAX_TRACED + 20)))
    assert {fate.outcome for fate in fates} == {Outcome.SHOWN}
    sizes = [len(ids) for ids in replicas.asked]
    # Two, where the machine is quick enough for all to wait before the first question is asked.
    assert sum(sizes) == MAX_TRACED + 20
    assert max(sizes) <= MAX_TRACED
    assert len(sizes) < 10
    assert await outcome(watch, 30) is Outcome.SHOWN
    await watch.close()


async def test_waits_are_bounded() -> None:
    watch = watch_of(Replicas(n1=BEHIND), limit=1)
    waiting = asyncio.create_task(outcome(watch, 30))
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await outcome(watch, 30)
    await watch.close()
    assert await waiting is Outcome.PENDING
    watch.check_room()
