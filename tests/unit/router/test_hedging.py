"""Replicas asked in order: the next one when one fails or is late, and nothing left behind."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from query_router.hedging import first_answer
from schemas.errors import NotReady, UnknownItem

NOBODY = NotReady("nobody is there")
LONG_S = 60.0


class Replicas:
    """Replicas that answer, fail, or never do; `asked` and `cancelled` are their numbers."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.cancelled: list[int] = []

    def of(self, *kinds: str) -> list[Callable[[], Awaitable[int]]]:
        return [lambda number=number, kind=kind: self._ask(number, kind) for number, kind in enumerate(kinds)]

    async def _ask(self, number: int, kind: str) -> int:
        self.asked.append(number)
        if kind == "unknown":
            raise UnknownItem("item")
        if kind == "fails":
            raise NotReady(f"{number} failed")
        if kind == "hangs":
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled.append(number)
                raise
        return number


async def test_who_answers_is_asked_alone() -> None:
    replicas = Replicas()
    assert await first_answer(replicas.of("answers", "answers"), LONG_S, NOBODY) == 0
    assert replicas.asked == [0]


async def test_all_that_fail_are_passed_over() -> None:
    replicas = Replicas()
    assert await first_answer(replicas.of("fails", "fails", "answers", "answers"), LONG_S, NOBODY) == 2
    assert replicas.asked == [0, 1, 2]


async def test_who_is_late_is_overtaken_and_left_alone() -> None:
    replicas = Replicas()
    assert await first_answer(replicas.of("hangs", "fails", "answers"), 0.01, NOBODY) == 2
    await asyncio.sleep(0)
    assert replicas.cancelled == [0]


async def test_the_last_failure_is_told() -> None:
    with pytest.raises(NotReady, match="1 failed"):
        await first_answer(Replicas().of("fails", "fails"), LONG_S, NOBODY)
    with pytest.raises(NotReady, match="nobody is there"):
        await first_answer(Replicas().of(), LONG_S, NOBODY)


async def test_an_answer_of_another_kind_is_an_answer() -> None:
    replicas = Replicas()
    with pytest.raises(UnknownItem):
        await first_answer(replicas.of("unknown", "answers"), LONG_S, NOBODY)
    assert replicas.asked == [0]


async def test_a_deadline_leaves_nobody_behind() -> None:
    replicas = Replicas()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await first_answer(replicas.of("hangs", "hangs"), 0.01, NOBODY)
    await asyncio.sleep(0)
    assert sorted(replicas.cancelled) == [0, 1]
