"""A leader that knows no partitions of a topic hands out nothing at all, rather than an assignment of nothing."""

from types import SimpleNamespace

import pytest
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import KafkaError

from streams.careful_assignor import CarefulAssignor


class Known:
    """A cluster's metadata that names these topics."""

    def __init__(self, **partitions: int) -> None:
        self._partitions = partitions

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(range(self._partitions[topic])) if topic in self._partitions else None


MEMBERS = {name: SimpleNamespace(subscription=["changes"]) for name in ("a", "b")}


def test_known_partitions_are_handed_out() -> None:
    careful = CarefulAssignor(RoundRobinPartitionAssignor)
    assert careful.name == RoundRobinPartitionAssignor.name
    given = careful.assign(Known(changes=5), MEMBERS)
    assert sorted(p for member in given.values() for _, ps in member.assignment for p in ps) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("cluster", [Known(), Known(other=3), Known(changes=0)])
def test_unknown_partitions_are_an_error(cluster: Known) -> None:
    assert RoundRobinPartitionAssignor.assign(cluster, MEMBERS)["a"].assignment == []
    with pytest.raises(KafkaError, match="does not name the partitions of changes"):
        CarefulAssignor(RoundRobinPartitionAssignor).assign(cluster, MEMBERS)
