"""Pictures by `http:` and `https:`: room per host, retries with jitter, and nothing sent that is known already."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import stamina
import stamina.instrumentation

from embedder.address_guard import AddressGuard, Target
from embedder.fetched import Fetched, Known, Validator, Validators, picture_digest
from embedder.guarded_http import GuardedHttp, HttpPicture
from embedder.host_slots import HostDown, HostSlots, Slot
from schemas.errors import ImageRejected
from schemas.settings import ImageSettings

FIRST_WAIT_S, LONGEST_WAIT_S, JITTER_S = 0.25, 2.0, 0.5


class HttpPictures:
    """A source of pictures from web servers; see `embedder.fetched.Source`."""

    def __init__(self, images: ImageSettings, slots: HostSlots, validators: Validators) -> None:
        self._guard = AddressGuard(images)
        self._http = GuardedHttp(images, self._guard)
        self._slots = slots
        self._validators = validators
        self._attempts = images.fetch_attempts
        quiet_retries()

    @asynccontextmanager
    async def fetching(self, ref: str, known: Known) -> AsyncIterator[Fetched]:
        """See `Source.fetching`."""
        target = self._guard.check_url(ref)
        held = self._validators.validator(ref)
        if held is not None and not known(held.digest):
            held = None
        slot, answer = await self._get(target, held)
        try:
            yield self._fetched(ref, held, answer)
        finally:
            slot.release()

    async def close(self) -> None:
        """See `Source.close`."""
        await self._http.close()

    async def _get(self, target: Target, held: Validator | None) -> tuple[Slot, HttpPicture]:
        """The answer of the first attempt that has one, with the slot it was made in."""
        failed: ImageRejected | None = None
        async for attempt in stamina.retry_context(
            on=worth_another_try,
            attempts=self._attempts,
            timeout=None,
            wait_initial=FIRST_WAIT_S,
            wait_max=LONGEST_WAIT_S,
            wait_jitter=JITTER_S,
        ):
            with attempt:
                slot = await room_at(self._slots, target.origin, failed)
                try:
                    answer = await self._http.get(target, held)
                except BaseException as error:
                    failed = error if isinstance(error, ImageRejected) else None
                    judge(slot, error)
                    slot.release()
                    raise
                slot.succeeded()
                return slot, answer
        raise AssertionError("stamina ends with an answer or an error")

    def _fetched(self, ref: str, held: Validator | None, answer: HttpPicture) -> Fetched:
        if answer.data is None:
            assert held is not None
            return Fetched(None, held.digest)
        digest = picture_digest(answer.data)
        if answer.etag or answer.last_modified:
            self._validators.remember(ref, Validator(answer.url, answer.etag, answer.last_modified, digest))
        return Fetched(answer.data, digest)


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


def quiet_retries() -> None:
    """No log line for each retry: what fails in the end is said by a row in `catalog.rejects`."""
    stamina.instrumentation.set_on_retry_hooks([])
