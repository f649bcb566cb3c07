"""How many changes are on their way, stage by stage: asked of Kafka and of the nodes that answer searches."""

import time
from collections import deque
from typing import NamedTuple

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from confluent_kafka.error import KafkaError

from ops.catalog_writer import installed_partitions
from ops.node_status import ask_node
from schemas.cluster import ClusterView
from schemas.cluster_log import read_cluster
from schemas.errors import NotReady
from schemas.kafka_clients import ANSWER_TIMEOUT_S, common_config
from schemas.node_status import ShardStatus
from schemas.settings import KafkaSettings
from schemas.topics import CHANGES, MERGE_GROUP, STATES, embed_group, partitions_of, vectors_topic

VIEW_EVERY_S, BOUNDS_S = 10.0, 5.0
ANSWERING = frozenset({"serving", "compacting"})


class Lag(NamedTuple):
    """`changes` were ever written to `catalog.changes`; the others wait for the merge, for embedders and for shards."""

    changes: int
    unmerged: int = 0
    unembedded: int = 0
    unapplied_vectors: int = 0
    unapplied_states: int = 0

    @property
    def waiting(self) -> int:
        """Changes on their way; a state is applied beside its being embedded, so the longer of both ways counts."""
        return self.unmerged + max(self.unembedded + self.unapplied_vectors, self.unapplied_states)

    @property
    def done(self) -> int:
        """Changes whose effect is there."""
        return self.changes - self.waiting

    def slowest(self) -> str:
        """The stage most wait for, in words."""
        stages = {"merged": self.unmerged, "embedded": self.unembedded}
        stages["applied"] = max(self.unapplied_vectors, self.unapplied_states)
        return max(stages, key=lambda stage: stages[stage])


class PromptLag:
    """How many records of one topic wait for the readers that answer each with one of the next, ahead of their commits.

    What was written into one topic less what was written into the next is the lag and some constant: of the records
    that are never answered, or twice. Commits, twice a second, are a bound: the lag is never more than what is not
    committed. So the constant is at least the difference less that, and the largest such bound lately, just behind a
    commit, is next to it. Where few records are answered, this comes out as what is not committed.
    """

    def __init__(self) -> None:
        self._bounds: deque[tuple[float, int]] = deque()

    def estimate(self, time_s: float, written: int, answered: int, uncommitted: int) -> int:
        """The lag, never more than `uncommitted`."""
        self._bounds.append((time_s, written - answered - uncommitted))
        while time_s - self._bounds[0][0] > BOUNDS_S:
            self._bounds.popleft()
        # What was asked later may be ahead of what was asked first.
        return max(written - answered - max(bound for _, bound in self._bounds), 0)


class LagMeter:
    """Asks for the serving generation's lag. Replicas that answer no searches hold nobody up and are left out."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._admin = AdminClient(common_config(kafka))
        self._view, self._viewed_s = ClusterView(), float("-inf")
        self._silent: set[str] = set()
        self._merge, self._embed = PromptLag(), dict[str, PromptLag]()

    def look(self) -> Lag:
        """The lag now; what moves on meanwhile is counted twice rather than not at all, as it is asked in its order.

        Raises:
            NotReady: the broker or the installation is not there.
        """
        if time.monotonic() - self._viewed_s >= VIEW_EVERY_S:
            self._view, self._viewed_s = read_cluster(self._kafka), time.monotonic()
            self._silent.clear()
        view, partitions = self._view, installed_partitions(self._view)
        changes = self._ends(CHANGES, partitions)
        merged = self._committed(MERGE_GROUP, CHANGES, partitions)
        unmerged = _behind(changes, merged)
        if view.serving is None:
            return Lag(sum(changes.values()), unmerged)
        generation = view.serving.name
        states = self._ends(STATES, partitions)
        unembedded = _behind(states, self._committed(embed_group(generation), STATES, partitions))
        vectors = self._ends(vectors_topic(generation), partitions)
        written, merged_ones, embedded_ones = (sum(of.values()) for of in (changes, states, vectors))
        now_s = time.monotonic()
        unmerged = self._merge.estimate(now_s, written, merged_ones, unmerged)
        embed = self._embed.setdefault(generation, PromptLag())
        unembedded = embed.estimate(now_s, merged_ones, embedded_ones, unembedded)
        left = unapplied(view, self._shards(generation), {STATES: states, vectors_topic(generation): vectors})
        return Lag(written, unmerged, unembedded, left[vectors_topic(generation)], left[STATES])

    def _ends(self, topic: str, partitions: int) -> dict[int, int]:
        wanted = {TopicPartition(topic, p): OffsetSpec.latest() for p in range(partitions)}
        try:
            futures = self._admin.list_offsets(wanted, request_timeout=ANSWER_TIMEOUT_S)
            return {tp.partition: future.result().offset for tp, future in futures.items()}
        except KafkaException as error:
            raise NotReady(f"Kafka does not answer for {topic}: {error.args[0].str()}") from error

    def _committed(self, group: str, topic: str, partitions: int) -> dict[int, int]:
        """The committed offsets; 0 where there is none, nothing of a group that never was."""
        wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, p) for p in range(partitions)])
        try:
            futures = self._admin.list_consumer_group_offsets([wanted], request_timeout=ANSWER_TIMEOUT_S)
            found = futures[group].result().topic_partitions
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return {}
            raise NotReady(f"Kafka does not answer for {group}: {error.args[0].str()}") from error
        return {tp.partition: max(tp.offset, 0) for tp in found}

    def _shards(self, generation: str) -> dict[tuple[str, int], ShardStatus]:
        """The answering replicas, by node and shard; a node that did not answer is left alone for some seconds."""
        found: dict[tuple[str, int], ShardStatus] = {}
        for name, report in self._view.nodes.items():
            status = None if name in self._silent else ask_node(report.url)
            if status is None:
                self._silent.add(name)
                continue
            of_generation = (s for s in status.shards if s.generation == generation and s.state in ANSWERING)
            found |= {(name, shard.shard): shard for shard in of_generation}
        return found


def unapplied(
    view: ClusterView, shards: dict[tuple[str, int], ShardStatus], ends: dict[str, dict[int, int]]
) -> dict[str, int]:
    """Per topic, what the shards of the serving generation have not applied: of each shard, its slowest replica."""
    left = dict.fromkeys(ends, 0)
    if view.serving is None or view.placement is None:
        return left
    for shard, nodes in enumerate(view.placement.shards.get(view.serving.name, [])):
        replicas = [shards[node, shard] for node in nodes if (node, shard) in shards]
        for topic, of_topic in ends.items():
            owned = partitions_of(shard, view.serving.shards, len(of_topic))
            behind = (
                sum(max(of_topic[p] - replica.applied.get(topic, {}).get(p, 0), 0) for p in owned)
                for replica in replicas
            )
            left[topic] += max(behind, default=0)
    return left


def _behind(ends: dict[int, int], done: dict[int, int]) -> int:
    return sum(max(end - done.get(p, 0), 0) for p, end in ends.items())
