"""A client of the router's API, asynchronous and synchronous."""

import asyncio
import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
from yarl import URL

from schemas.errors import LookaliveError, NotReady
from schemas.item_writes import ItemStatus, WriteAnswer, WriteListAnswer
from schemas.queries import ItemAnswer, SearchAnswer

DEFAULT_TIMEOUT_S = 60.0
JSON_BODY = {"Content-Type": "application/json"}


class AsyncRouterClient:
    """Asks one router; to be used as an async context manager.

    Options are those of the API: `k`, `offset`, `min_score`, `filter`, `crop`, `include_attributes`, `timeout_ms`,
    `exact`. Every method raises LookaliveError with the router's code, message and details when it says no, and
    NotReady when it cannot be reached.
    """

    def __init__(self, url: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._url = url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=self._timeout)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def search_picture(self, picture: Path | bytes, **options: Any) -> SearchAnswer:
        """The items that look like a picture: a file's path, or its encoded bytes."""
        data = await asyncio.to_thread(picture.read_bytes) if isinstance(picture, Path) else picture
        form = aiohttp.FormData()
        form.add_field("image", data, filename="image", content_type="application/octet-stream")
        form.add_field("query", json.dumps(options), content_type="application/json")
        return msgspec.json.decode(await self._ask("POST", "/v1/search", data=form), type=SearchAnswer)

    async def search_item(self, item_id: str, **options: Any) -> SearchAnswer:
        """The items that look like an item, itself left out."""
        return await self.search_body({"item_id": item_id, **options})

    async def search_vector(self, vector: list[float], generation: str, **options: Any) -> SearchAnswer:
        """The items near a vector of this generation."""
        return await self.search_body({"vector": vector, "generation": generation, **options})

    async def search_body(self, body: dict[str, Any]) -> SearchAnswer:
        """The answer to a whole JSON body of `POST /v1/search`."""
        data = await self._ask("POST", "/v1/search", data=json.dumps(body).encode(), headers=JSON_BODY)
        return msgspec.json.decode(data, type=SearchAnswer)

    async def item(self, item_id: str) -> ItemAnswer:
        """One item as it can be found now."""
        return msgspec.json.decode(await self._ask("GET", _item_path(item_id)), type=ItemAnswer)

    async def similar(self, item_id: str, **options: Any) -> SearchAnswer:
        """The items that look like an item, by `GET /v1/items/{id}/similar`."""
        texts = {name: o if isinstance(o, str) else json.dumps(o) for name, o in options.items()}
        query = f"?{urlencode(texts)}" if texts else ""
        data = await self._ask("GET", f"{_item_path(item_id)}/similar{query}")
        return msgspec.json.decode(data, type=SearchAnswer)

    async def put(
        self, item_id: str, *pictures: Path | bytes, wait: bool = False, timeout_ms: int | None = None, **change: Any
    ) -> WriteAnswer:
        """Upsert an item, with pictures to be uploaded or `image_url(s)`; other fields are those of a change.

        With `wait` until searches show it: `applied` of the answer says whether they do.
        """
        path = _item_path(item_id) + _waiting(wait, timeout_ms)
        if not pictures:
            return await self._write("PUT", path, change)
        form = aiohttp.FormData()
        for picture in pictures:
            data = await asyncio.to_thread(picture.read_bytes) if isinstance(picture, Path) else picture
            form.add_field("image", data, filename="image", content_type="application/octet-stream")
        form.add_field("change", json.dumps(change), content_type="application/json")
        return msgspec.json.decode(await self._ask("PUT", path, data=form), type=WriteAnswer)

    async def patch(
        self, item_id: str, wait: bool = False, timeout_ms: int | None = None, **change: Any
    ) -> WriteAnswer:
        """Set single attributes: `attributes`, and where wanted `version` and `event_time`; `wait` as for `put`."""
        return await self._write("PATCH", _item_path(item_id) + _waiting(wait, timeout_ms), change)

    async def delete(
        self, item_id: str, wait: bool = False, timeout_ms: int | None = None, **change: Any
    ) -> WriteAnswer:
        """Delete an item, where wanted with a `version` and an `event_time`.

        With `wait` until no search shows it: then `applied` of the answer is true and `searchable` false.
        """
        return await self._write("DELETE", _item_path(item_id) + _waiting(wait, timeout_ms), change)

    async def write_list(
        self, changes: list[dict[str, Any]], wait: bool = False, timeout_ms: int | None = None
    ) -> WriteListAnswer:
        """Write many changes, each with its `op` and `item_id`; what becomes of each is in the answer."""
        body = json.dumps(changes).encode()
        data = await self._ask("POST", f"/v1/items{_waiting(wait, timeout_ms)}", data=body, headers=JSON_BODY)
        return msgspec.json.decode(data, type=WriteListAnswer)

    async def status(self, item_id: str) -> ItemStatus:
        """Why an item is or isn't found."""
        return msgspec.json.decode(await self._ask("GET", f"{_item_path(item_id)}/status"), type=ItemStatus)

    async def image(self, item_id: str, size: int = 512) -> bytes:
        """An item's picture as a JPEG, its longer side of at most `size` pixels."""
        return await self._ask("GET", f"{_item_path(item_id)}/image?size={size}")

    async def _write(self, method: str, path: str, change: dict[str, Any]) -> WriteAnswer:
        data = await self._ask(method, path, data=json.dumps(change).encode(), headers=JSON_BODY)
        return msgspec.json.decode(data, type=WriteAnswer)

    async def ready(self) -> bool:
        """Whether the router is there and says that it is ready."""
        try:
            await self._ask("GET", "/readyz")
        except LookaliveError:
            return False
        return True

    async def _ask(self, method: str, path: str, **extra: Any) -> bytes:
        if self._session is None:
            raise NotReady("use the client as a context manager")
        try:
            async with self._session.request(method, URL(self._url + path, encoded=True), **extra) as answer:
                data = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NotReady(f"{self._url} does not answer: {error or type(error).__name__}") from error
        if answer.status not in (200, 202):
            raise _error_of(answer.status, data)
        return data


class RouterClient:
    """The same for code that is not asynchronous; to be used as a context manager, outside a running event loop."""

    def __init__(self, url: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._inner = AsyncRouterClient(url, timeout_s)
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        self._runner.run(self._inner.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._runner.run(self._inner.close())
        self._runner.close()

    def search_picture(self, picture: Path | bytes, **options: Any) -> SearchAnswer:
        """See `AsyncRouterClient.search_picture`."""
        return self._runner.run(self._inner.search_picture(picture, **options))

    def search_item(self, item_id: str, **options: Any) -> SearchAnswer:
        """See `AsyncRouterClient.search_item`."""
        return self._runner.run(self._inner.search_item(item_id, **options))

    def search_vector(self, vector: list[float], generation: str, **options: Any) -> SearchAnswer:
        """See `AsyncRouterClient.search_vector`."""
        return self._runner.run(self._inner.search_vector(vector, generation, **options))

    def item(self, item_id: str) -> ItemAnswer:
        """See `AsyncRouterClient.item`."""
        return self._runner.run(self._inner.item(item_id))

    def similar(self, item_id: str, **options: Any) -> SearchAnswer:
        """See `AsyncRouterClient.similar`."""
        return self._runner.run(self._inner.similar(item_id, **options))

    def put(
        self, item_id: str, *pictures: Path | bytes, wait: bool = False, timeout_ms: int | None = None, **change: Any
    ) -> WriteAnswer:
        """See `AsyncRouterClient.put`."""
        return self._runner.run(self._inner.put(item_id, *pictures, wait=wait, timeout_ms=timeout_ms, **change))

    def patch(self, item_id: str, wait: bool = False, timeout_ms: int | None = None, **change: Any) -> WriteAnswer:
        """See `AsyncRouterClient.patch`."""
        return self._runner.run(self._inner.patch(item_id, wait, timeout_ms, **change))

    def delete(self, item_id: str, wait: bool = False, timeout_ms: int | None = None, **change: Any) -> WriteAnswer:
        """See `AsyncRouterClient.delete`."""
        return self._runner.run(self._inner.delete(item_id, wait, timeout_ms, **change))

    def write_list(
        self, changes: list[dict[str, Any]], wait: bool = False, timeout_ms: int | None = None
    ) -> WriteListAnswer:
        """See `AsyncRouterClient.write_list`."""
        return self._runner.run(self._inner.write_list(changes, wait, timeout_ms))

    def status(self, item_id: str) -> ItemStatus:
        """See `AsyncRouterClient.status`."""
        return self._runner.run(self._inner.status(item_id))

    def image(self, item_id: str, size: int = 512) -> bytes:
        """See `AsyncRouterClient.image`."""
        return self._runner.run(self._inner.image(item_id, size))

    def ready(self) -> bool:
        """See `AsyncRouterClient.ready`."""
        return self._runner.run(self._inner.ready())


def _waiting(wait: bool, timeout_ms: int | None) -> str:
    options: dict[str, Any] = {"wait": "searchable"} if wait else {}
    if timeout_ms is not None:
        options["timeout_ms"] = timeout_ms
    return f"?{urlencode(options)}" if options else ""


def _item_path(item_id: str) -> str:
    return f"/v1/items/{quote(item_id, safe='')}"


def _error_of(status: int, data: bytes) -> LookaliveError:
    """The router's own error; what has not its shape came from something between."""
    try:
        body = msgspec.json.decode(data)["error"]
        error = LookaliveError(str(body["message"]), code=str(body["code"]))
        error.details = dict(body["details"])
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError):
        return LookaliveError(f"HTTP {status}: {data[:200].decode(errors='replace')}", code=f"http_{status}")
    return error
