"""Threads for short calls, whose answers wake the event loop once for as many as there are, and not once for each: that
would cost more than reading a small picture does.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar

Result = TypeVar("Result")


class _Call(NamedTuple):
    """A call that is to be made, and whom to tell."""

    answer: "asyncio.Future[Any]"
    function: Callable[[], Any]


class _Done(NamedTuple):
    """A call that was made."""

    answer: "asyncio.Future[Any]"
    result: Any
    error: BaseException | None


class Crew:
    """So many threads, for the calls of one event loop, begun in their order; whoever calls bounds how many wait."""

    def __init__(self, threads: int, name: str) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._done: deque[_Done] = deque()
        self._told = False
        self._names = [f"{name}_{number}" for number in range(threads)]
        self._started = False

    def run(self, function: Callable[..., Result], *arguments: object) -> "asyncio.Future[Result]":
        """What the call returns or raises; a call whose answer is cancelled before it begins is not made."""
        if not self._started:
            self._started = True
            for name in self._names:
                threading.Thread(target=self._work, name=name, daemon=True).start()
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._calls.put(_Call(answer, partial(function, *arguments)))
        return answer

    def stop(self) -> None:
        """The threads end when the calls made so far are done."""
        for _ in self._names:
            self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            if call.answer.cancelled():
                continue
            self._done.append(_made(call))
            # Whoever is told takes what is done after it has noted so: nothing is left lying.
            if not self._told:
                self._told = True
                with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits any more
                    call.answer.get_loop().call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        self._told = False
        while self._done:
            answer, result, error = self._done.popleft()
            if answer.done():
                continue
            if error is None:
                answer.set_result(result)
            else:
                answer.set_exception(error)


def _made(call: _Call) -> _Done:
    try:
        return _Done(call.answer, call.function(), None)
    except BaseException as error:  # noqa: BLE001  it is raised where the answer is awaited
        return _Done(call.answer, None, error)
