"""What is known of the cluster when its placement is planned."""

from collections.abc import Mapping
from typing import NamedTuple

from schemas.cluster import Placement


class Replica(NamedTuple):
    """A shard on a node."""

    generation: str
    shard: int
    node: str


class ShardName(NamedTuple):
    """A shard of a generation."""

    generation: str
    shard: int

    def __str__(self) -> str:
        return f"{self.generation}/{self.shard}"


class Facts(NamedTuple):
    """Which nodes answer, which replicas serve with all applied that the others of their shard have, and who is lost.

    A replica counts as caught up only once its node has read the newest placement: one that has not may be closing it.
    A node that doesn't answer is `gone` once that has lasted too long to wait for it.
    """

    alive: frozenset[str] = frozenset()
    caught_up: frozenset[Replica] = frozenset()
    gone: frozenset[str] = frozenset()

    def serves(self, shard: ShardName, node: str) -> bool:
        """Whether a query of this shard may rely on this node."""
        return node in self.alive and Replica(*shard, node) in self.caught_up


Holders = dict[ShardName, tuple[str, ...]]
Weights = Mapping[ShardName, float]


def holders_of(placement: Placement) -> Holders:
    """The nodes that each shard is placed on."""
    return {
        ShardName(generation, number): tuple(nodes)
        for generation, shards in placement.shards.items()
        for number, nodes in enumerate(shards)
    }


def settled(placement: Placement) -> Holders:
    """The nodes that each shard is on once every move under way has ended."""
    holders = holders_of(placement)
    for move in placement.moves:
        shard = ShardName(move.generation, move.shard)
        if move.source and shard in holders:
            holders[shard] = tuple(node for node in holders[shard] if node != move.source)
    return holders
