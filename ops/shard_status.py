"""What placement says each shard's nodes should hold, beside what they say they do."""

import msgspec

from ops.node_status import ask_nodes
from schemas.cluster_log import read_cluster
from schemas.errors import NotReady
from schemas.settings import MIB, KafkaSettings


class ShardRow(msgspec.Struct, frozen=True, kw_only=True):
    """One replica of one shard; `state` is `unreachable` when its node does not answer."""

    generation: str
    shard: int
    node: str
    state: str
    items: int = 0
    graph_vectors: int = 0
    buffer_vectors: int = 0
    dead_vectors: int = 0
    size_bytes: int = 0
    lag: int | None = None
    doing: str = ""
    error: str | None = None

    def cells(self) -> tuple[object, ...]:
        """The row of the table for people."""
        counts = (self.items, self.graph_vectors, self.buffer_vectors, self.dead_vectors)
        size = f"{self.size_bytes / MIB:.1f}"
        return (self.generation, self.shard, self.node, self.state, *counts, size, self.lag, self.error or self.doing)


def shard_rows(kafka: KafkaSettings) -> list[ShardRow]:
    """Every placed replica of every shard.

    Raises:
        NotReady: the broker does not answer, or nothing is placed yet.
    """
    view = read_cluster(kafka)
    if view.placement is None:
        raise NotReady("nothing is placed on this Kafka yet")
    held = {
        (asked.report.node, s.generation, s.shard): s
        for asked in ask_nodes(view)
        if asked.status is not None
        for s in asked.status.shards
    }
    rows: list[ShardRow] = []
    for generation, placed in sorted(view.placement.shards.items()):
        for shard, nodes in enumerate(placed):
            for node in nodes:
                known = held.get((node, generation, shard))
                if known is None:
                    rows.append(ShardRow(generation=generation, shard=shard, node=node, state="unreachable"))
                    continue
                rows.append(
                    ShardRow(
                        generation=generation,
                        shard=shard,
                        node=node,
                        state=known.state,
                        items=known.items,
                        graph_vectors=known.graph_vectors,
                        buffer_vectors=known.buffer_vectors,
                        dead_vectors=known.dead_vectors,
                        size_bytes=known.size_bytes,
                        lag=None if -1 in known.lag.values() else sum(known.lag.values()),
                        doing=known.words,
                        error=known.error,
                    )
                )
    return rows
