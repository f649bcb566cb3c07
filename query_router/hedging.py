"""Asking several that could answer: the next one when one fails, or when it takes long."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from schemas.errors import NotReady

Answer = TypeVar("Answer")


async def first_answer(
    asks: Sequence[Callable[[], Awaitable[Answer]]], patience_s: float, none_left: NotReady
) -> Answer:
    """The first answer, in order: another is asked as well whenever one has failed, or `patience_s` have passed.

    After J. Dean, L. A. Barroso, "The Tail at Scale", CACM 2013 (hedged requests). What is not needed any more is
    cancelled.

    Raises:
        NotReady: the last one's, when all failed; `none_left` when there was nobody to ask.
    """
    failure = none_left
    waiting = list(asks)
    asked: set[asyncio.Future[Answer]] = set()
    try:
        while waiting or asked:
            if waiting:
                asked.add(asyncio.ensure_future(waiting.pop(0)()))
            done, asked = await asyncio.wait(
                asked, timeout=patience_s if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for one in done:
                try:
                    return one.result()
                except NotReady as error:
                    failure = error
    finally:
        for one in asked:
            one.cancel()
    raise failure
