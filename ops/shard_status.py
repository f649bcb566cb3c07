"""What placement says each shard's nodes should hold, beside what they say they do."""

import msgspec

from ops.node_status import ask_nodes
from schemas.cluster import ClusterView
from schemas.cluster_log import read_cluster
from schemas.errors import NotReady
from schemas.kafka_clients import committed_offsets, end_offsets, make_reader
from schemas.settings import MIB, KafkaSettings
from schemas.topics import CHANGES, MERGE_GROUP, STATES, embed_group, partitions_of


class ShardRow(msgspec.Struct, frozen=True, kw_only=True):
    """One replica of one shard; `state` is `unreachable` when its node does not answer.

    `lag` counts the records on their way to it: changes `unmerged`, states `unembedded`, and what it has not applied.
    """

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
    unmerged: int = 0
    unembedded: int = 0
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
    waiting = _Waiting(kafka, view)
    rows: list[ShardRow] = []
    for generation, placed in sorted(view.placement.shards.items()):
        for shard, nodes in enumerate(placed):
            before = waiting.of(generation, shard)
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
                        lag=None if -1 in known.lag.values() else sum(known.lag.values()) + sum(before),
                        unmerged=before[0],
                        unembedded=before[1],
                        doing=known.words,
                        error=known.error,
                    )
                )
    return rows


class _Waiting:
    """What waits for the merge and for the embedders, by partition: offsets not committed yet, twice a second."""

    def __init__(self, kafka: KafkaSettings, view: ClusterView) -> None:
        self._view = view
        self._partitions = kafka.partitions if view.installation is None else view.installation.partitions
        everything = range(self._partitions)
        reader = make_reader(kafka)
        try:
            ends = {topic: end_offsets(reader, topic, everything) for topic in (CHANGES, STATES)}
        finally:
            reader.close()

        def left(group: str, topic: str) -> dict[int, int]:
            done = committed_offsets(kafka, group, topic, everything)
            return {p: high - max(done[p], low) for p, (low, high) in ends[topic].items()}

        self._unmerged = left(MERGE_GROUP, CHANGES)
        self._unembedded = {name: left(embed_group(name), STATES) for name in view.generations}

    def of(self, generation: str, shard: int) -> tuple[int, int]:
        """Changes to be merged and states to be embedded, of the partitions of a shard."""
        known = self._view.generations.get(generation)
        if known is None:
            return 0, 0
        owned = partitions_of(shard, known.shards, self._partitions)
        unembedded = self._unembedded[generation]
        return sum(max(self._unmerged[p], 0) for p in owned), sum(max(unembedded[p], 0) for p in owned)
