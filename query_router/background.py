"""Blocking work beside the event loop that must never hold up the end of the process."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


async def in_daemon_thread(work: Callable[[], Result], name: str) -> Result:
    """What `work` returns or raises.

    Unlike `asyncio.to_thread`, nobody waits for the thread when the loop closes or the interpreter ends: loading a
    model or asking a broker that is gone may take longer than a process has to stop.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  handed to the one who waits
            _tell(loop, done, None, error)
        else:
            _tell(loop, done, lambda: done.set_result(result), None)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await done


def _tell(
    loop: asyncio.AbstractEventLoop,
    done: asyncio.Future[Result],
    succeed: Callable[[], None] | None,
    error: BaseException | None,
) -> None:
    def settle() -> None:
        if done.done():
            return
        if succeed is not None:
            succeed()
        elif error is not None:
            done.set_exception(error)

    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:
        return  # the loop is closed: nobody waits any more
