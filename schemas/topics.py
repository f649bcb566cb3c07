"""The topics, their keys' partitions and how they are kept."""

from typing import NamedTuple

from murmurhash2 import murmurhash2

CHANGES = "catalog.changes"
STATES = "items.state"
REJECTS = "catalog.rejects"
RETRIES = "catalog.retries"
SEARCH_EVENTS = "search.events"
CLUSTER = "cluster.state"
DRIFT = "drift.state"

MERGE_GROUP = "lookalive.merge"

_KAFKA_SEED = 0x9747B28C
_COMPACTION_LAG_MS = 3_600_000
# Kafka's own limit of 1 MiB refuses a change that brings its picture.
_LARGEST_BATCH = {"max.message.bytes": str(8 * 1024 * 1024)}


class TopicSpec(NamedTuple):
    """A topic to be created: its name, its partitions and its configuration on a real cluster."""

    name: str
    partitions: int
    config: dict[str, str]


def vectors_topic(generation: str) -> str:
    """The topic that holds this generation's vectors."""
    return f"vectors.{generation}"


def embed_group(generation: str) -> str:
    """The consumer group that embeds for this generation."""
    return f"lookalive.embed.{generation}"


def retry_group(generation: str) -> str:
    """The group under which the embed workers of a generation commit how far they are done with `catalog.retries`."""
    return f"lookalive.retries.{generation}"


def drift_group(generation: str) -> str:
    """The consumer group that measures how this generation's vectors drift."""
    return f"lookalive.drift.{generation}"


def shard_group(generation: str, shard: int, node: str) -> str:
    """The group under which a node commits the offsets its newest snapshot of a shard holds."""
    return f"lookalive.shard.{generation}.{shard}.{node}"


def partition_of(item_id: str, partitions: int) -> int:
    """The partition of an item: Kafka's murmur2 of the key, as the Java client's default partitioner has it."""
    return int(murmurhash2(item_id.encode(), _KAFKA_SEED) & 0x7FFFFFFF) % partitions


def shard_of(partition: int, shards: int) -> int:
    """The shard that owns a partition, in a generation of that many shards."""
    return partition % shards


def partitions_of(shard: int, shards: int, partitions: int) -> list[int]:
    """The partitions a shard owns."""
    return list(range(shard, partitions, shards))


def base_topics(partitions: int) -> list[TopicSpec]:
    """Every topic that is not a generation's, for an installation of P partitions."""
    compacted = {"cleanup.policy": "compact", "min.compaction.lag.ms": str(_COMPACTION_LAG_MS)} | _LARGEST_BATCH
    kept = {"cleanup.policy": "delete"} | _LARGEST_BATCH
    return [
        TopicSpec(CHANGES, partitions, kept),
        TopicSpec(STATES, partitions, compacted),
        TopicSpec(REJECTS, partitions, kept),
        TopicSpec(RETRIES, partitions, kept),
        TopicSpec(SEARCH_EVENTS, partitions, kept),
        TopicSpec(CLUSTER, 1, compacted),
        TopicSpec(DRIFT, 1, compacted),
    ]


def generation_topic(generation: str, partitions: int) -> TopicSpec:
    """The topic of one generation's vectors."""
    config = {"cleanup.policy": "compact", "min.compaction.lag.ms": str(_COMPACTION_LAG_MS)} | _LARGEST_BATCH
    return TopicSpec(vectors_topic(generation), partitions, config)
