"""What a shard node says of itself: the JSON of `GET /v1/status`."""

from typing import Literal

import msgspec

Doing = Literal["restoring", "replaying", "draining", "compacting", "snapshotting"]


class Activity(msgspec.Struct, frozen=True):
    """Something that a shard is at just now, and the share of it that is done, 0 to 1, where that is known."""

    name: Doing
    share: float | None = None

    def __str__(self) -> str:
        return self.name if self.share is None else f"{self.name} {self.share:.0%}".replace("%", " %")


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
    doing: list[Activity] = []
    compactions: int = 0
    compactions_refused: int = 0
    recall_at_10: float | None = None
    recall_samples: int = 0
    error: str | None = None

    @property
    def words(self) -> str:
        """What it is doing, for people: `draining, compacting 43 %`."""
        return ", ".join(map(str, self.doing))


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A node and every shard it holds or should hold; `epoch` is the newest placement that it has read."""

    node: str
    pid: int
    shards: list[ShardStatus]
    epoch: int = 0
