"""Acknowledgements in order, and holes in the log."""

import asyncio

import pytest

from streams.gaps import OffsetWatch
from streams.in_flight import InFlight


async def test_acknowledgements_wait_for_each_other() -> None:
    in_flight = InFlight(3)
    runner = asyncio.create_task(in_flight.run())
    writes = [asyncio.get_running_loop().create_future() for _ in range(3)]
    acknowledged: list[int] = []

    def note(n: int):  # type: ignore[no-untyped-def]
        async def acknowledge() -> None:
            acknowledged.append(n)

        return acknowledge

    for n, write in enumerate(writes):
        await in_flight.add([write], note(n))
    writes[2].set_result(None)
    writes[1].set_result(None)
    await asyncio.sleep(0.01)
    assert acknowledged == []
    writes[0].set_result(None)
    await in_flight.drained()
    assert acknowledged == [0, 1, 2]
    runner.cancel()


async def test_a_full_window_holds_the_next_record_back() -> None:
    in_flight = InFlight(1)
    runner = asyncio.create_task(in_flight.run())
    write = asyncio.get_running_loop().create_future()

    async def acknowledge() -> None:
        return None

    await in_flight.add([write], acknowledge)
    waiting = asyncio.create_task(in_flight.add([], acknowledge))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    write.set_result(None)
    await waiting
    runner.cancel()


async def test_a_failed_write_ends_everything_after_it() -> None:
    in_flight = InFlight(2)
    write = asyncio.get_running_loop().create_future()
    write.set_exception(RuntimeError("the broker said no"))
    acknowledged: list[int] = []

    async def acknowledge() -> None:
        acknowledged.append(1)

    await in_flight.add([write], acknowledge)
    await in_flight.add([], acknowledge)
    with pytest.raises(RuntimeError, match="the broker said no"):
        await in_flight.run()
    assert acknowledged == []
    assert len(in_flight) == 2


def test_a_jump_within_an_assignment_is_seen() -> None:
    watch = OffsetWatch(contiguous=True)
    assert watch.is_new(1)
    watch.begin(1, {0: 5, 1: 0})
    assert [watch.jump(0, offset) for offset in (3, 4, 5, 8, 9)] == [None, None, None, 6, None]


def test_the_first_record_of_an_assignment_may_not_lie_ahead() -> None:
    watch = OffsetWatch(contiguous=True)
    watch.begin(1, {0: 5})
    assert watch.jump(0, 6) == 5
    assert watch.jump(3, 100) is None


def test_holes_of_a_real_log_are_asked_about_once_per_assignment() -> None:
    watch = OffsetWatch(contiguous=False)
    watch.begin(1, {0: 5})
    assert [watch.jump(0, offset) for offset in (6, 8, 20)] == [5, None, None]
    watch.begin(2, {0: 21})
    assert watch.jump(0, 22) == 21


def test_a_new_assignment_starts_again() -> None:
    watch = OffsetWatch(contiguous=True)
    watch.begin(1, {0: 5})
    assert watch.jump(0, 5) is None
    assert not watch.is_new(1)
    assert watch.is_new(2)
    watch.begin(2, {0: 50, 3: 0})
    assert [watch.jump(0, 50), watch.jump(3, 0)] == [None, None]
