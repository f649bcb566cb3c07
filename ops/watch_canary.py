"""The canary: an item written, found, deleted and gone, all of it through the front door."""

import asyncio
import io
import os
import time
import uuid
from random import Random

import aiohttp
import msgspec
from PIL import Image, ImageDraw

from schemas.canary import CANARY_HEADER, CANARY_PREFIX
from schemas.errors import LookaliveError, NotReady
from schemas.queries import SearchAnswer

SIDE, SHAPES = 128, 24
SEEN_AMONG = 10
POLL_S = 0.01
REQUEST_S = 10.0


class CanaryResult(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds from sending the change to the answer of the first search that showed its effect."""

    item_id: str
    found_ms: float
    gone_ms: float
    searches: int


class Canary:
    """One canary at a router. `fly` may be cancelled at any moment: the item is deleted all the same."""

    def __init__(self, router: str, timeout_s: float) -> None:
        self._router, self._timeout_s = router.rstrip("/"), timeout_s
        self._headers = {CANARY_HEADER: "1"}
        self._item_id = f"{CANARY_PREFIX}{uuid.uuid4().hex}"
        self._picture = draw_canary(os.urandom(16).hex())
        self._searches = 0

    async def fly(self) -> CanaryResult:
        """Write, search until found, delete, search until gone.

        Raises:
            NotReady: the router does not answer, or the item was not found, or not gone, within the time allowed.
            LookaliveError: the router refuses.
        """
        timeout = aiohttp.ClientTimeout(total=REQUEST_S)
        async with aiohttp.ClientSession(timeout=timeout, headers=self._headers) as session:
            written = False
            try:
                begun_s = time.perf_counter()
                written = True
                await self._write(session, "PUT")
                found_ms = await self._until(session, begun_s, found=True)
                begun_s = time.perf_counter()
                await self._write(session, "DELETE")
                gone_ms = await self._until(session, begun_s, found=False)
                written = False
            finally:
                if written:
                    await self._write(session, "DELETE")
        return CanaryResult(item_id=self._item_id, found_ms=found_ms, gone_ms=gone_ms, searches=self._searches)

    async def _until(self, session: aiohttp.ClientSession, begun_s: float, *, found: bool) -> float:
        while await self._is_found(session) is not found:
            if time.perf_counter() - begun_s > self._timeout_s:
                what = "not found" if found else "still found"
                raise NotReady(f"the canary is {what} after {self._timeout_s:.0f} s", code="canary_late")
            await asyncio.sleep(POLL_S)
        return round((time.perf_counter() - begun_s) * 1000, 3)

    async def _is_found(self, session: aiohttp.ClientSession) -> bool:
        form = aiohttp.FormData()
        form.add_field("image", self._picture, filename="canary.png", content_type="application/octet-stream")
        form.add_field("query", msgspec.json.encode({"k": SEEN_AMONG}).decode(), content_type="application/json")
        self._searches += 1
        answer = msgspec.json.decode(await self._ask(session, "POST", "/v1/search", form), type=SearchAnswer)
        return any(hit.item_id == self._item_id for hit in answer.items)

    async def _write(self, session: aiohttp.ClientSession, method: str) -> None:
        form = None
        if method == "PUT":
            form = aiohttp.FormData()
            form.add_field("image", self._picture, filename="canary.png", content_type="application/octet-stream")
        await self._ask(session, method, f"/v1/items/{self._item_id}", form)

    async def _ask(
        self, session: aiohttp.ClientSession, method: str, path: str, form: aiohttp.FormData | None
    ) -> bytes:
        try:
            async with session.request(method, self._router + path, data=form) as answer:
                data = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NotReady(f"{self._router} does not answer: {error or type(error).__name__}") from error
        if answer.status not in (200, 202):
            raise _refused(method, path, answer.status, data)
        return data


def draw_canary(seed: str) -> bytes:
    """A PNG of shapes that only this seed gives, unlike any product's picture."""
    chance = Random(seed)  # noqa: S311  a drawing, not a secret
    image = Image.new("RGB", (SIDE, SIDE), _colour(chance))
    pen = ImageDraw.Draw(image)
    for _ in range(SHAPES):
        x, y = chance.randrange(SIDE), chance.randrange(SIDE)
        shape = pen.ellipse if chance.random() < 0.5 else pen.rectangle
        shape((x, y, x + chance.randrange(8, SIDE // 2), y + chance.randrange(8, SIDE // 2)), fill=_colour(chance))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _refused(method: str, path: str, status: int, data: bytes) -> LookaliveError:
    try:
        body = msgspec.json.decode(data)["error"]
        return LookaliveError(f"{method} {path}: {body['message']}", code=str(body["code"]))
    except (msgspec.DecodeError, KeyError, TypeError):
        return LookaliveError(f"{method} {path}: HTTP {status}", code=f"http_{status}")


def _colour(chance: Random) -> tuple[int, int, int]:
    return (chance.randrange(256), chance.randrange(256), chance.randrange(256))
