"""What a shard node says of itself: the JSON of `GET /v1/status`."""

import msgspec


class ShardStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One shard on one node. Offsets and lags are per topic; an offset is the next one to be applied.

    `recall_at_10` is that of the last `recall_samples` live queries that were answered again exactly, None of none.
    `lag` counts records, -1 while the broker does not answer. Times are microseconds since the epoch, 0 for never.
    """

    generation: str
    shard: int
    state: str
    items: int
    graph_vectors: int
    buffer_vectors: int
    dead_vectors: int
    size_bytes: int
    applied: dict[str, dict[int, int]]
    lag: dict[str, int]
    newest_event_us: int = 0
    snapshot_us: int = 0
    compacting: bool = False
    compactions: int = 0
    compactions_refused: int = 0
    recall_at_10: float | None = None
    recall_samples: int = 0
    error: str | None = None


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A node and every shard it holds or should hold."""

    node: str
    pid: int
    shards: list[ShardStatus]
