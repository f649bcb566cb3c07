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
from schemas.queries import ItemAnswer, SearchAnswer

DEFAULT_TIMEOUT_S = 60.0


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
        headers = {"Content-Type": "application/json"}
        data = await self._ask("POST", "/v1/search", data=json.dumps(body).encode(), headers=headers)
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
        if answer.status != 200:
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

    def ready(self) -> bool:
        """See `AsyncRouterClient.ready`."""
        return self._runner.run(self._inner.ready())


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
