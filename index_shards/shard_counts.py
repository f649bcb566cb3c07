"""How much there is of what in a shard."""

import msgspec

from index_shards.applying import Applier


class ShardCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How much there is of what, and the newest event applied, in microseconds since the epoch."""

    items: int = 0
    graph_vectors: int = 0
    buffer_vectors: int = 0
    dead_vectors: int = 0
    size_bytes: int = 0
    newest_event_us: int = 0


def counts_of(applier: Applier | None) -> ShardCounts:
    """How full the shard is to which this applies; zeros for one that is not open."""
    if applier is None:
        return ShardCounts()
    tiers = applier.tiers
    graph, fresh = tiers.graph, len(tiers.buffer)
    return ShardCounts(
        items=tiers.id_map.items.findable_count,
        graph_vectors=len(graph),
        buffer_vectors=fresh,
        dead_vectors=graph.places.tombstones.count,
        size_bytes=graph.size_bytes + 4 * tiers.generation.dimension * fresh,
        newest_event_us=applier.newest_event_us,
    )
