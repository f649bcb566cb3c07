"""One shard node over HTTP, as the router sees it."""

import math
from typing import TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from schemas.errors import NotReady, UnknownItem
from schemas.item_trace import ItemTrace
from schemas.live import NodeLive
from schemas.queries import NODE_CONTENT_TYPE, ShardHits, StoredItem

# Below the time after which nodes close idle connections, so that a query seldom meets one that is closing.
KEEP_ALIVE_S = 15.0

Message = TypeVar("Message")
_hits = msgspec.msgpack.Decoder(ShardHits)
_item = msgspec.msgpack.Decoder(StoredItem)
_traces = msgspec.msgpack.Decoder(list[ItemTrace])
_live = msgspec.json.Decoder(NodeLive)


class NotServed(NotReady):
    """The node that was asked cannot answer a search of the shard either: it is gone, or does not serve it."""


class NodeClient:
    """Kept-alive connections to every node; deadlines are the caller's."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
            timeout=aiohttp.ClientTimeout(total=None),
            headers={"Content-Type": NODE_CONTENT_TYPE, "Accept": NODE_CONTENT_TYPE},
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def search(self, node_url: str, generation: str, shard: int, body: bytes) -> ShardHits:
        """What this node's shard finds; `body` is an encoded `ShardSearch`.

        Raises:
            NotReady: no connection, another status than 200, or an answer that is none.
        """
        url = _shard_url(node_url, generation, shard) + "/search"
        status, data = await self._ask("POST", url, body)
        if status != 200:
            raise NotReady(f"{url} answered {status}", status=status)
        return _checked(_decoded(_hits, data, url), url)

    async def item(self, node_url: str, generation: str, shard: int, item_id: str) -> StoredItem:
        """The item as this node's shard has it.

        Raises:
            UnknownItem: the shard does not have it.
            NotReady: as `search`.
        """
        url = f"{_shard_url(node_url, generation, shard)}/items/{quote(item_id, safe='')}"
        status, data = await self._ask("GET", url, None)
        if status == 404 and _error_code(data) in (None, "unknown_item"):
            raise UnknownItem(item_id)
        if status != 200:
            raise NotReady(f"{url} answered {status}", status=status)
        return _decoded(_item, data, url)

    async def traces(self, node_url: str, generation: str, shard: int, item_ids: list[str]) -> list[ItemTrace]:
        """What this node's shard knows of these items, in their order.

        Raises:
            NotServed: the node is gone, or does not serve the shard.
            NotReady: as `search`.
        """
        url = _shard_url(node_url, generation, shard) + "/traces"
        status, data = await self._ask("POST", url, msgspec.msgpack.encode(item_ids))
        if status == 404 or (status == 503 and _error_code(data) == "not_ready"):
            raise NotServed(f"{url} answered {status}", status=status)
        if status != 200:
            raise NotReady(f"{url} answered {status}", status=status)
        traces = _decoded(_traces, data, url)
        if [trace.item_id for trace in traces] != item_ids:
            raise NotReady(f"{url} answered for other items than it was asked for")
        return traces

    async def live(self, node_url: str, cursor: str) -> NodeLive:
        """What this node's shards show to searches since the cursor.

        Raises:
            NotReady: as `search`.
        """
        url = f"{node_url}/v1/live?since={quote(cursor, safe='')}"
        status, data = await self._ask("GET", url, None)
        if status != 200:
            raise NotReady(f"{url} answered {status}", status=status)
        try:
            return _live.decode(data)
        except msgspec.DecodeError as error:
            raise NotReady(f"{url} answered with something else: {error}") from error

    async def _ask(self, method: str, url: str, body: bytes | None) -> tuple[int, bytes]:
        """Asked again once when a kept connection turned out to be closed: both calls only read."""
        try:
            return await self._ask_once(method, url, body)
        except aiohttp.ServerDisconnectedError:
            return await self._ask_again(method, url, body)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _unreachable(url, error) from error

    async def _ask_again(self, method: str, url: str, body: bytes | None) -> tuple[int, bytes]:
        try:
            return await self._ask_once(method, url, body)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _unreachable(url, error) from error

    async def _ask_once(self, method: str, url: str, body: bytes | None) -> tuple[int, bytes]:
        async with self._session.request(method, URL(url, encoded=True), data=body, allow_redirects=False) as answer:
            return answer.status, await answer.read()


def _shard_url(node_url: str, generation: str, shard: int) -> str:
    return f"{node_url.rstrip('/')}/v1/shards/{quote(generation, safe='')}/{shard}"


def _unreachable(url: str, error: Exception) -> NotReady:
    kind = NotServed if isinstance(error, aiohttp.ClientConnectorError) else NotReady
    return kind(f"{url} cannot be reached: {error or type(error).__name__}")


def _decoded(decoder: msgspec.msgpack.Decoder[Message], data: bytes, url: str) -> Message:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotReady(f"{url} answered what is no answer: {error}") from error


def _checked(answer: ShardHits, url: str) -> ShardHits:
    """A score that is no number would spoil the order of the whole answer."""
    if not all(math.isfinite(score) for _, score, _ in answer.hits):
        raise NotReady(f"{url} answered a score that is no number")
    return answer


def _error_code(data: bytes) -> str | None:
    """The code of an error body, None when it has none."""
    try:
        code = msgspec.json.decode(data)["error"]["code"]
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        return None
    return code if isinstance(code, str) else None
