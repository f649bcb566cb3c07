"""What became searchable just now: a node's bounded memory of it over HTTP, and the router's feed for pages."""

from typing import Literal

import msgspec

LiveKind = Literal["new", "picture", "attributes", "deleted"]


class NodeNews(msgspec.Struct, frozen=True):
    """One change as a shard showed it to searches; times are microseconds since the epoch."""

    item_id: str
    kind: LiveKind
    generation: str
    shard: int
    event_us: int
    searchable_us: int


class NodeLive(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /v1/live?since=<cursor>` of a node, as JSON: what came after the cursor, oldest first.

    Without a cursor, or with one of another run of the node, all that is remembered. `missed` counts what came after
    the cursor and is not in `items` because only so much is remembered and sent. `serving` are the shards that answer
    searches now, by generation.
    """

    cursor: str
    items: list[NodeNews]
    missed: int = 0
    serving: dict[str, list[int]] = {}


class LiveItem(msgspec.Struct, frozen=True):
    """One change that searches show; `delay_ms` is from its event until then, times are ISO 8601 in UTC."""

    item_id: str
    kind: LiveKind
    generation: str
    event_time: str
    searchable_at: str
    delay_ms: float


class LiveItems(msgspec.Struct, frozen=True, tag_field="event", tag="items"):
    """The server-sent event `items`: changes in the order in which they became searchable.

    `missed` counts those left out because more came than are sent.
    """

    items: list[LiveItem]
    missed: int = 0


class LiveStatus(msgspec.Struct, frozen=True, tag_field="event", tag="status"):
    """The server-sent event `status`: how much of the cluster the feed hears.

    `silent` are the nodes that did not answer, `unserved` the shards that no node says it serves now.
    """

    shards: int
    unserved: list[int]
    silent: list[str]
