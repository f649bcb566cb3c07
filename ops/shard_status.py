"""What placement says each shard's nodes should hold, beside what they say they do."""

import msgspec

from ops.node_status import ask_nodes
from schemas.cluster import ClusterView, Placement
from schemas.cluster_log import read_cluster
from schemas.errors import NotReady
from schemas.kafka_clients import committed_offsets, end_offsets, make_reader
from schemas.node_status import NodeStatus
from schemas.settings import MIB, KafkaSettings
from schemas.topics import CHANGES, MERGE_GROUP, STATES, embed_group, partitions_of


class ShardRow(msgspec.Struct, frozen=True, kw_only=True):
    """One replica of one shard; `state` is `unreachable` when its node does not answer, `opening` before it has it.

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
    moving: str = ""
    error: str | None = None

    def cells(self) -> tuple[object, ...]:
        """The row of the table for people."""
        counts = (self.items, self.graph_vectors, self.buffer_vectors, self.dead_vectors)
        size = f"{self.size_bytes / MIB:.1f}"
        note = self.error or ", ".join(filter(None, (self.moving, self.doing)))
        return (self.generation, self.shard, self.node, self.state, *counts, size, self.lag, note)


def shard_rows(kafka: KafkaSettings) -> list[ShardRow]:
    """Every placed replica of every shard.

    Raises:
        NotReady: the broker does not answer, or nothing is placed yet.
    """
    view = read_cluster(kafka)
    if view.placement is None:
        raise NotReady("nothing is placed on this Kafka yet")
    answers = {asked.report.node: asked.status for asked in ask_nodes(view) if asked.status is not None}
    waiting = _Waiting(kafka, view)
    rows: list[ShardRow] = []
    for generation, placed in sorted(view.placement.shards.items()):
        for shard, nodes in enumerate(placed):
            before = waiting.of(generation, shard)
            for node in nodes:
                row = _row_of(answers.get(node), generation, shard, before)
                moving = _moving(view.placement, generation, shard, node)
                rows.append(msgspec.structs.replace(row, node=node, moving=moving))
    return rows


def _row_of(status: NodeStatus | None, generation: str, shard: int, before: tuple[int, int]) -> ShardRow:
    """A replica as its node's status has it; `before` are the records that have not come as far as its topics."""
    if status is None:
        return ShardRow(generation=generation, shard=shard, node="", state="unreachable")
    known = next((s for s in status.shards if (s.generation, s.shard) == (generation, shard)), None)
    if known is None:
        return ShardRow(generation=generation, shard=shard, node=status.node, state="opening")
    return ShardRow(
        generation=generation,
        shard=shard,
        node=status.node,
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


def _moving(placement: Placement, generation: str, shard: int, node: str) -> str:
    """Where a replica is going, or where it comes from, while that is under way."""
    for move in placement.moves:
        if (move.generation, move.shard) == (generation, shard) and node in (move.source, move.target):
            other = f"moves to {move.target}" if move.target else "is taken away"
            return other if node == move.source else f"moves from {move.source}" if move.source else "is new"
    return ""


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
