"""Whether everything written so far has reached the shards: each topic's end against what its readers have done."""

import time
from collections.abc import Callable

from ops.node_status import AppliedOffsets, applied_offsets
from schemas.cluster import ClusterView
from schemas.cluster_log import read_cluster
from schemas.errors import NotReady
from schemas.kafka_clients import committed_offsets, end_offsets, make_reader
from schemas.settings import KafkaSettings
from schemas.topics import CHANGES, MERGE_GROUP, STATES, embed_group, partitions_of, vectors_topic

POLL_S = 0.2


def unsettled(kafka: KafkaSettings) -> dict[str, int]:
    """How many records of each stage are still on their way: `merge`, `embed` and `apply`; all 0 when nothing is.

    Stages are looked at in the order of the data, so that all 0 means settled up to the moment of the call.

    Raises:
        NotReady: the broker or the installation is not there.
    """
    view = read_cluster(kafka)
    if view.installation is None or view.serving is None:
        raise NotReady("this Kafka holds no lookalive installation yet: start `lookalive up` with it first")
    everything = range(view.installation.partitions)
    generation = view.serving.name
    reader = make_reader(kafka)
    try:
        changes_end = {p: ends[1] for p, ends in end_offsets(reader, CHANGES, everything).items()}
        merged = committed_offsets(kafka, MERGE_GROUP, CHANGES, everything)
        states_end = {p: ends[1] for p, ends in end_offsets(reader, STATES, everything).items()}
        embedded = committed_offsets(kafka, embed_group(generation), STATES, everything)
        vectors_end = {p: ends[1] for p, ends in end_offsets(reader, vectors_topic(generation), everything).items()}
    finally:
        reader.close()
    applied = applied_offsets(view)
    return {
        "merge": _behind(changes_end, merged),
        "embed": _behind(states_end, embedded),
        "apply": _unapplied(view, STATES, states_end, applied)
        + _unapplied(view, vectors_topic(generation), vectors_end, applied),
    }


def wait_settled(
    kafka: KafkaSettings, timeout_s: float, on_look: Callable[[dict[str, int]], None] | None = None
) -> bool:
    """Wait until nothing is on its way any more; False when the time ran out."""
    deadline = time.monotonic() + timeout_s
    while True:
        left = unsettled(kafka)
        if on_look is not None:
            on_look(left)
        if not any(left.values()):
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_S)


def _behind(ends: dict[int, int], done: dict[int, int]) -> int:
    return sum(max(end - max(done[p], 0), 0) for p, end in ends.items())


def _unapplied(view: ClusterView, topic: str, ends: dict[int, int], applied: AppliedOffsets) -> int:
    generation = view.serving
    assert generation is not None and view.placement is not None
    left = 0
    for shard, nodes in enumerate(view.placement.shards.get(generation.name, [])):
        for partition in partitions_of(shard, generation.shards, len(ends)):
            for node in nodes:
                done = applied.get((node, generation.name, shard), {}).get(topic, {})
                left += max(ends[partition] - done.get(partition, 0), 0)
    return left
