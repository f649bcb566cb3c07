"""What the cluster owes a query: an answer of every shard that somebody served when every router could know it.

A shard was covered at a moment if a node that it was placed on, and that knew it, served it then. From then on it must
be answered, however its placement changes, unless a node that has it is killed: later, or so shortly before that a
command which is just taking the shard from the other nodes could not know it yet.
"""

import math
from collections.abc import Mapping

from ops.placement.facts import ShardName, holders_of
from ops.simulation.clock import Clock
from ops.simulation.logs import READ_WITHIN_S, STEP_WITHIN_S, ClusterTopic
from ops.simulation.nodes import SimNode


class Coverage:
    """Which shards were covered when it was last looked, and when each was hit by a kill."""

    def __init__(self, clock: Clock, topic: ClusterTopic, nodes: Mapping[str, SimNode]) -> None:
        self._clock, self._topic, self._nodes = clock, topic, nodes
        self._looks: list[tuple[float, frozenset[ShardName]]] = []
        self._hit_s: dict[ShardName, float] = {}

    def look(self) -> None:
        """Note what is covered now."""
        placement = self._topic.truth.placement
        assert placement is not None
        knowing = {name for name, node in self._nodes.items() if node.epoch >= placement.epoch}
        holders = {shard: knowing & set(held) for shard, held in holders_of(placement).items()}
        covered = [shard for shard, held in holders.items() if any(self._nodes[n].answer(shard) for n in held)]
        self._looks.append((self._clock.now_s, frozenset(covered)))

    def kill(self, node: SimNode) -> None:
        """Kill a node, and note what it had."""
        self._hit_s |= dict.fromkeys(node.held, self._clock.now_s)
        node.kill()

    def owed(self, shard: ShardName, asked_s: float) -> bool:
        """Whether a query that was asked then must be answered for this shard."""
        for looked_s, covered in reversed(self._looks):
            if looked_s <= asked_s - READ_WITHIN_S:
                return shard in covered and self._hit_s.get(shard, -math.inf) < looked_s - STEP_WITHIN_S
        return False
