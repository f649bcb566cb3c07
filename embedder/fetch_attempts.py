"""Trying to fetch a picture: in the room that its host has, again with jitter, and telling how the host did."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import stamina
import stamina.instrumentation

from embedder.host_slots import HostDown, HostSlots, Slot
from schemas.errors import ImageRejected
from schemas.settings import ImageSettings

FIRST_WAIT_S, LONGEST_WAIT_S, JITTER_S = 0.25, 2.0, 0.5

Answer = TypeVar("Answer")


async def first_answer(
    slots: HostSlots, name: str, attempts: int, fetch: Callable[[], Awaitable[Answer]]
) -> tuple[Slot, Answer]:
    """The answer of the first attempt that has one, with the slot of that host it was made in, for the caller to give
    back.

    Raises:
        ImageRejected: the last attempt's failure, or the host is left alone.
    """
    failed: ImageRejected | None = None
    async for attempt in stamina.retry_context(
        on=worth_another_try,
        attempts=attempts,
        timeout=None,
        wait_initial=FIRST_WAIT_S,
        wait_max=LONGEST_WAIT_S,
        wait_jitter=JITTER_S,
    ):
        with attempt:
            slot = await room_at(slots, name, failed)
            try:
                answer = await fetch()
            except BaseException as error:
                failed = error if isinstance(error, ImageRejected) else None
                judge(slot, error)
                slot.release()
                raise
            slot.succeeded()
            return slot, answer
    raise AssertionError("stamina ends with an answer or an error")


async def room_at(slots: HostSlots, name: str, failed: ImageRejected | None) -> Slot:
    """A slot; where the host came to be left alone after it `failed` in the same fetch, that failure says more.

    Raises:
        ImageRejected: the host is left alone.
    """
    try:
        return await slots.acquire(name)
    except HostDown as down:
        raise (down if failed is None else failed) from None


def worth_another_try(error: Exception) -> bool:
    """Whether the next attempt may find what this one did not; a host that is left alone is not asked again."""
    return isinstance(error, ImageRejected) and error.temporary and not isinstance(error, HostDown)


def judge(slot: Slot, error: BaseException) -> None:
    """Tell the host's state from how a fetch failed; a refusal of ours says nothing about the host."""
    if isinstance(error, ImageRejected) and error.code == "image_unreachable":
        if error.temporary:
            slot.failed()
        else:
            slot.succeeded()


def slowest_s(images: ImageSettings) -> float:
    """How long a fetch may take at the most, once its host has room for it."""
    return images.fetch_attempts * images.fetch_timeout_s + (images.fetch_attempts - 1) * (LONGEST_WAIT_S + JITTER_S)


def quiet_retries() -> None:
    """No log line for each retry: what fails in the end is said by a row in `catalog.rejects`."""
    stamina.instrumentation.set_on_retry_hooks([])
