"""Pictures by `http:` and `https:`: room per host, retries with jitter, and nothing sent that is known already."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from embedder.address_guard import AddressGuard
from embedder.fetch_attempts import first_answer, quiet_retries
from embedder.fetched import Fetched, Known, Validator, Validators, picture_digest
from embedder.guarded_http import GuardedHttp, HttpPicture
from embedder.host_slots import HostSlots
from schemas.settings import ImageSettings


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
        slot, answer = await first_answer(
            self._slots, target.origin, self._attempts, lambda: self._http.get(target, held)
        )
        try:
            yield self._fetched(ref, held, answer)
        finally:
            slot.release()

    async def close(self) -> None:
        """See `Source.close`."""
        await self._http.close()

    def _fetched(self, ref: str, held: Validator | None, answer: HttpPicture) -> Fetched:
        if answer.data is None:
            assert held is not None
            return Fetched(None, held.digest)
        digest = picture_digest(answer.data)
        if answer.etag or answer.last_modified:
            self._validators.remember(ref, Validator(answer.url, answer.etag, answer.last_modified, digest))
        return Fetched(answer.data, digest)
