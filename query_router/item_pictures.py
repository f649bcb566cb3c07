"""Items' pictures as thumbnails: fetched, decoded and encoded once, then kept in bounded memory."""

import asyncio
import errno
import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import structlog
from cachetools import LRUCache

from query_router.fan_out import FanOut
from query_router.placement_view import PlacementView
from query_router.thumbnails import ENCODING, make_thumbnail
from schemas.errors import Busy, ImageRejected, NoPicture, NotReady, UnknownItem
from schemas.item_state import ImagePart, decode_state

MAX_MAKING = 256
_GONE_FILE, _GONE_URL = (errno.ENOENT, errno.ENOTDIR), (404, 410)

log = structlog.get_logger()


class PictureFetcher(Protocol):
    """The part of `embedder.fetch.SchemeFetcher` that is used."""

    async def fetch(self, ref: str) -> bytes:
        """The encoded picture's bytes; raises ImageRejected."""

    async def close(self) -> None:
        """Gives connections back."""


class Thumbnail(NamedTuple):
    """An encoded picture; `data` is None where the one who asked has it already."""

    etag: str
    data: bytes | None


class ItemPictures:
    """Serves the picture of items that are live.

    An entity tag names the pictures' stamp, so that a replaced picture is never served from a cache; and two requests
    for one thumbnail make it once.
    """

    def __init__(
        self,
        placement: PlacementView,
        fan_out: FanOut,
        fetcher: PictureFetcher,
        max_pixels: int,
        cache_bytes: int,
        timeout_s: float,
    ) -> None:
        self._placement, self._fan_out, self._fetcher = placement, fan_out, fetcher
        self._max_pixels, self._timeout_s = max_pixels, timeout_s
        self._cache: LRUCache[str, bytes] = LRUCache(cache_bytes, getsizeof=len)
        self._making: dict[str, asyncio.Task[bytes]] = {}
        self._pool = ThreadPoolExecutor(os.cpu_count() or 1, "thumbnails")

    async def thumbnail(self, item_id: str, size: int, has: Callable[[str], bool]) -> Thumbnail:
        """The item's first picture that can be shown; `has` says whether the one who asks has this entity tag.

        Raises:
            UnknownItem: the item is unknown, or was deleted.
            NoPicture: it has none, or none that can be shown; `picture_gone` where its file is no longer there.
            Busy: too many are being made.
            NotReady: its shard, or where its picture lies, cannot be reached.
        """
        pin = self._placement.pin()
        trace = await self._fan_out.trace(pin, item_id, asyncio.get_running_loop().time() + self._timeout_s)
        state = None if trace.state is None else decode_state(trace.state)
        if state is None or not state.live:
            raise UnknownItem(item_id)
        if state.image is None or not state.image.refs:
            raise NoPicture(f"{item_id!r} has no picture", item_id=item_id)
        etag = _etag(item_id, state.image, size)
        if has(etag):
            return Thumbnail(etag, None)
        data = self._cache.get(etag)
        return Thumbnail(etag, await self._made(etag, item_id, state.image, size) if data is None else data)

    async def close(self) -> None:
        """Drop what is being made."""
        for task in self._making.values():
            task.cancel()
        await asyncio.gather(*self._making.values(), return_exceptions=True)
        self._pool.shutdown(wait=False, cancel_futures=True)
        await self._fetcher.close()

    async def _made(self, etag: str, item_id: str, image: ImagePart, size: int) -> bytes:
        """Made for the first who asks; who goes away takes it from nobody else."""
        task = self._making.get(etag)
        if task is None:
            if len(self._making) >= MAX_MAKING:
                raise Busy(f"{MAX_MAKING} pictures are being made already", max_pictures=MAX_MAKING)
            task = asyncio.create_task(self._make(etag, item_id, image, size))
            self._making[etag] = task
            task.add_done_callback(lambda done: self._forget(etag, done))
        return await asyncio.shield(task)

    def _forget(self, etag: str, task: "asyncio.Task[bytes]") -> None:
        del self._making[etag]
        if not task.cancelled():
            task.exception()  # looked at here, as nobody may be left to

    async def _make(self, etag: str, item_id: str, image: ImagePart, size: int) -> bytes:
        failures: list[ImageRejected] = []
        for ref in dict.fromkeys(image.refs):
            try:
                encoded = await self._fetcher.fetch(ref)
                loop = asyncio.get_running_loop()
                data = await loop.run_in_executor(self._pool, make_thumbnail, encoded, size, self._max_pixels)
            except ImageRejected as error:
                failures.append(error)
                continue
            if len(data) <= self._cache.maxsize:
                self._cache[etag] = data
            return data
        raise _not_shown(item_id, failures)


def _not_shown(item_id: str, failures: Sequence[ImageRejected]) -> NoPicture | NotReady:
    """Why none of an item's pictures is shown: what may come back first, then what is gone, then what is wrong."""
    gone = [error for error in failures if _is_gone(error.details)]
    unreachable = [error for error in failures if error.code == "image_unreachable" and error not in gone]
    if unreachable:
        return NotReady(f"the picture of {item_id!r} cannot be had: {unreachable[0].message}", code="no_picture_yet")
    if gone:
        return NoPicture(f"the picture of {item_id!r} is gone: {gone[0].message}", code="picture_gone", item_id=item_id)
    first = failures[0]
    log.debug("no_picture_shown", item_id=item_id, error=first.message)
    return NoPicture(f"no picture of {item_id!r} can be shown: {first.message}", item_id=item_id, reason=first.code)


def _is_gone(details: dict[str, Any]) -> bool:
    return details.get("errno") in _GONE_FILE or details.get("status") in _GONE_URL


def _etag(item_id: str, image: ImagePart, size: int) -> str:
    named = repr((ENCODING, item_id, tuple(image.at), image.refs, size))
    return hashlib.blake2b(named.encode(errors="surrogatepass"), digest_size=16).hexdigest()
