"""The model of an operator: a command that plans, writes one epoch after another, and may be killed between any two."""

from collections.abc import Mapping

from ops.placement.errand import Errand, Goal
from ops.placement.facts import Facts, Replica
from ops.simulation.clock import Clock
from ops.simulation.logs import STEP_WITHIN_S, ClusterTopic
from ops.simulation.nodes import SimNode
from schemas.cluster import ClusterView, Placement
from schemas.errors import InputError

# A node that is dead for so long is gone.
GONE_AFTER_S = 8.0
MOST_AT_ONCE = 2


def facts_of(nodes: Mapping[str, SimNode], epoch: int, now_s: float) -> Facts:
    """What the nodes say of themselves at this moment, beside the placement of this epoch."""
    alive, there, gone = set(), set(), set()
    for name, node in nodes.items():
        if node.dead_since_s is None:
            alive.add(name)
            there |= {Replica(*shard, name) for shard in node.held if node.answer(shard) and node.epoch >= epoch}
        elif now_s - node.dead_since_s > GONE_AFTER_S:
            gone.add(name)
    return Facts(frozenset(alive), frozenset(there), frozenset(gone))


class SimOperator:
    """One run of a command, under a name that no other run has; over when its goal is reached or cannot be."""

    def __init__(self, name: str, goal: Goal, clock: Clock, topic: ClusterTopic, nodes: Mapping[str, SimNode]) -> None:
        self._errand = Errand(goal, name, MOST_AT_ONCE)
        self._clock, self._topic, self._nodes = clock, topic, nodes
        self.over = False
        clock.within(STEP_WITHIN_S, self._step)

    def kill(self) -> None:
        """End the command where it is."""
        self.over = True

    def _step(self) -> None:
        """Look and decide; what was decided is written a moment later, when others may have written already."""
        if self.over:
            return
        view = ClusterView()
        self._topic.read(view, 0)
        assert view.placement is not None
        try:
            facts = facts_of(self._nodes, view.placement.epoch, self._clock.now_s)
            record = self._errand.following(view.placement, facts)
        except InputError:
            self.over = True
            return
        if record is not None:
            self._clock.within(STEP_WITHIN_S, lambda: self._write(record))
        elif self._errand.done:
            self.over = True
        else:
            self._clock.within(STEP_WITHIN_S, self._step)

    def _write(self, record: Placement) -> None:
        if not self.over:
            self._topic.append(record)
            self._clock.within(STEP_WITHIN_S, self._step)
