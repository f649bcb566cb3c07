"""A crew's calls: made in order, answered each with its own result, error or not at all."""

import asyncio
import threading

import pytest

from embedder.crew import Crew


def halves(number: int) -> float:
    return 1 / number


@pytest.mark.parametrize("threads", [1, 3])
async def test_everyone_gets_the_answer_to_their_own_call(threads: int) -> None:
    crew = Crew(threads, "crew")
    results = await asyncio.gather(*(crew.run(halves, n) for n in range(500)), return_exceptions=True)
    assert isinstance(results[0], ZeroDivisionError)
    assert results[1:] == [1 / n for n in range(1, 500)]
    crew.stop()


async def test_one_thread_makes_calls_in_their_order_and_ends_when_they_are_done() -> None:
    crew = Crew(1, "crew")
    made: list[int] = []
    threads: set[threading.Thread] = set()

    def make(number: int) -> int:
        made.append(number)
        threads.add(threading.current_thread())
        return number

    calls = [crew.run(make, n) for n in range(100)]
    crew.stop()
    assert await asyncio.gather(*calls) == made == list(range(100))
    (thread,) = threads
    await asyncio.to_thread(thread.join, 30)
    assert not thread.is_alive()


async def test_a_call_that_nobody_waits_for_is_not_begun() -> None:
    crew = Crew(1, "crew")
    begun, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        assert go_on.wait(30)

    made: list[str] = []
    held = crew.run(hold)
    given_up, kept = crew.run(made.append, "given up"), crew.run(made.append, "kept")
    assert await asyncio.to_thread(begun.wait, 30)
    given_up.cancel()
    held.cancel()  # too late for the call itself
    go_on.set()
    await kept
    assert made == ["kept"]
    crew.stop()


async def test_answers_that_come_while_the_loop_is_busy_are_all_given() -> None:
    crew = Crew(2, "crew")
    for _ in range(20):
        calls = [crew.run(halves, n) for n in range(1, 30)]
        last = crew.run(halves, 1)
        while not last.done():  # noqa: ASYNC110  every turn of the loop meets a thread at another place
            await asyncio.sleep(0)
        async with asyncio.timeout(30):
            await asyncio.gather(*calls)
    crew.stop()
