"""Whoever leads a group hands out partitions only when it knows them.

A broker that just came back answers for a moment as if its topics were not there. Both aiokafka's and Faust's assignors
pass over such a topic, so that the whole group is given nothing; Faust does not get over an assignment of nothing, and
its consumer's thread stands still from then on (seen after a kill of the only broker).
"""

from collections.abc import Mapping
from typing import Any

from aiokafka.errors import KafkaError


class CarefulAssignor:
    """An assignor that refuses while a topic is unknown: the coordinator then joins again, with fresh metadata."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def assign(self, cluster: Any, members: Mapping[str, Any]) -> Any:
        """See `aiokafka.coordinator.assignors.abstract.AbstractPartitionAssignor.assign`.

        Raises:
            KafkaError: a topic of a member has no partitions that are known.
        """
        topics = {topic for member in members.values() for topic in member.subscription}
        unknown = sorted(topic for topic in topics if not cluster.partitions_for_topic(topic))
        if unknown:
            raise KafkaError(f"the broker does not name the partitions of {', '.join(unknown)} yet")
        return self._inner.assign(cluster, members)
