"""What a router knows of the cluster: which generation is searched, and who serves each of its shards."""

from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from schemas.cluster import ClusterView, Generation, NodeReport
from schemas.errors import NotReady
from schemas.topics import partition_of, shard_of


class Pin(NamedTuple):
    """The generation one request is answered from, from embedding to merge, and the installation's partitions."""

    generation: Generation
    partitions: int

    def owner(self, item_id: str) -> int:
        """The shard that owns this item."""
        return shard_of(partition_of(item_id, self.partitions), self.generation.shards)


class PlacementView:
    """A reader of the view that `cluster_view` returns; each call sees the newest one."""

    def __init__(self, cluster_view: Callable[[], ClusterView]) -> None:
        self._cluster_view = cluster_view
        self._turns: defaultdict[tuple[str, int], int] = defaultdict(int)

    def pin(self) -> Pin:
        """The generation that is searched now.

        Raises:
            NotReady: the installation or its serving generation is not known yet.
        """
        missing = self.unknown()
        view = self._cluster_view()
        if missing or view.serving is None or view.installation is None:
            raise NotReady("; ".join(missing) or "the cluster is not known yet", reasons=missing)
        return Pin(view.serving, view.installation.partitions)

    def unknown(self) -> list[str]:
        """Which of the records that searching needs have not been read yet, as sentences; empty when all have."""
        view = self._cluster_view()
        missing = []
        if view.installation is None:
            missing.append("the installation is not known yet")
        if view.placement is None:
            missing.append("no placement is known yet")
        elif view.serving is None:
            missing.append(f"the generation {view.placement.serving!r} is not known yet")
        return missing

    def replicas(self, generation: str, shard: int) -> list[NodeReport]:
        """The nodes that serve this shard; each call begins with the next one, so that they share the load."""
        serving = self._cluster_view().replicas(generation, shard)
        if len(serving) < 2:
            return serving
        turn = self._turns[generation, shard]
        self._turns[generation, shard] = turn + 1
        first = turn % len(serving)
        return serving[first:] + serving[:first]

    def unserved(self, generation: Generation) -> list[int]:
        """The shards of a generation that no node serves."""
        view = self._cluster_view()
        return [shard for shard in range(generation.shards) if not view.replicas(generation.name, shard)]
