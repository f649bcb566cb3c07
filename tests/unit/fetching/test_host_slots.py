"""Room per host, and hosts that are down for now."""

import asyncio

import pytest

from embedder.fetch_attempts import room_at
from embedder.host_slots import FAILURES_IN_A_ROW, FIRST_PAUSE_S, LONGEST_PAUSE_S, HostDown, HostSlots
from schemas.errors import ImageRejected


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


async def fail(slots: HostSlots, times: int = 1, host: str = "a") -> None:
    for _ in range(times):
        slot = await slots.acquire(host)
        slot.failed()
        slot.release()


async def test_failures_in_a_row_leave_a_host_alone_and_one_probe_brings_it_back() -> None:
    clock = Clock()
    slots = HostSlots(8, 4, clock)
    await fail(slots, FAILURES_IN_A_ROW)
    with pytest.raises(HostDown) as caught:
        await slots.acquire("a")
    assert caught.value.temporary
    (await slots.acquire("b")).release()

    clock.now_s += FIRST_PAUSE_S
    probe = await slots.acquire("a")
    with pytest.raises(HostDown):
        await slots.acquire("a")
    probe.succeeded()
    probe.release()
    await fail(slots, FAILURES_IN_A_ROW - 1)
    (await slots.acquire("a")).release()


async def test_a_fetch_that_failed_itself_says_so_rather_than_that_its_host_is_left_alone() -> None:
    slots = HostSlots(8, 4, Clock())
    failed = ImageRejected("status 500", code="image_unreachable", temporary=True)
    (await room_at(slots, "a", failed)).release()
    await fail(slots, FAILURES_IN_A_ROW)
    with pytest.raises(HostDown) as caught:
        await room_at(slots, "a", None)
    assert caught.value.pause_s == FIRST_PAUSE_S
    with pytest.raises(ImageRejected) as said:
        await room_at(slots, "a", failed)
    assert said.value is failed


async def test_pauses_grow_to_a_limit() -> None:
    clock = Clock()
    slots = HostSlots(8, 4, clock)
    await fail(slots, FAILURES_IN_A_ROW)
    pause_s = FIRST_PAUSE_S
    for _ in range(8):
        clock.now_s += pause_s - 0.001
        with pytest.raises(HostDown):
            await slots.acquire("a")
        clock.now_s += 0.001
        await fail(slots)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
    assert pause_s == LONGEST_PAUSE_S


async def test_one_success_between_failures_keeps_a_host() -> None:
    slots = HostSlots(8, 4)
    for _ in range(5):
        await fail(slots, FAILURES_IN_A_ROW - 1)
        slot = await slots.acquire("a")
        slot.succeeded()
        slot.release()


async def test_who_waits_for_a_host_that_goes_down_is_told_at_once() -> None:
    slots = HostSlots(100, FAILURES_IN_A_ROW)
    held = [await slots.acquire("a") for _ in range(FAILURES_IN_A_ROW)]
    waiting = [asyncio.create_task(slots.acquire("a")) for _ in range(20)]
    await asyncio.sleep(0)
    for slot in held:
        slot.failed()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, HostDown) for result in results)
    for slot in held:
        slot.release()


async def test_a_probe_that_is_given_up_does_not_close_a_host_for_ever() -> None:
    clock = Clock()
    slots = HostSlots(1, 1, clock)
    await fail(slots, FAILURES_IN_A_ROW)
    clock.now_s += LONGEST_PAUSE_S
    other = await slots.acquire("b")
    probe = asyncio.create_task(slots.acquire("a"))
    await asyncio.sleep(0)
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    other.release()
    (await slots.acquire("a")).release()


async def test_cancelled_waiters_lose_no_room() -> None:
    slots = HostSlots(3, 1)
    for _ in range(50):
        first = await slots.acquire("a")
        tasks = [asyncio.create_task(slots.acquire("a")) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        first.release()
        first.release()
        tasks[1].cancel()
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            (await tasks[2]).release()
        await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(10):
        held = [await slots.acquire(host) for host in "abc"]
    for slot in held:
        slot.release()
