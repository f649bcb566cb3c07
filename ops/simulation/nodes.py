"""The model of a node: shards opened and closed as placement says, restored from snapshots, changed late, killed."""

from collections.abc import Callable
from functools import partial

from index_shards.node.leaving import Leaving
from ops.placement.facts import ShardName
from ops.simulation.clock import Clock
from ops.simulation.logs import ClusterTopic, ItemLogs, Reader
from schemas.cluster import NodeReport

# Restoring takes this long at most; a change is applied within this time where the shard serves.
OPEN_WITHIN_S, APPLY_WITHIN_S = 4.0, 1.0
SNAPSHOT_SHARE = 0.1


class HeldShard:
    """A shard in a node's memory: what is applied, and whether it serves."""

    def __init__(self, snapshot: tuple[int, frozenset[str]]) -> None:
        self.applied = snapshot[0]
        self.items = set(snapshot[1])
        self.serves = False


class SimNode:
    """A node that may be killed at any moment; its snapshots outlast it."""

    def __init__(self, name: str, clock: Clock, topic: ClusterTopic, logs: ItemLogs) -> None:
        self.name = name
        self._clock, self._topic, self._logs = clock, topic, logs
        # Since when it doesn't answer; None while it does.
        self.dead_since_s: float | None = 0.0
        self.held: dict[ShardName, HeldShard] = {}
        self._snapshots: dict[ShardName, tuple[int, frozenset[str]]] = {}
        self._life = 0
        self._leaving = Leaving()
        self._reported: dict[str, list[int]] | None = None
        self._reader = Reader(topic, self._reconcile)

    @property
    def alive(self) -> bool:
        """Whether it answers."""
        return self.dead_since_s is None

    @property
    def epoch(self) -> int:
        """The newest placement that it has read."""
        placement = self._reader.view.placement
        return 0 if placement is None else placement.epoch

    def start(self) -> None:
        """Begin with what compaction left of `cluster.state` and the snapshots on disk."""
        self._life += 1
        self.dead_since_s, self.held, self._leaving, self._reported = None, {}, Leaving(), None
        self._reader.fresh()
        self._in_this_life(APPLY_WITHIN_S, self._look)

    def kill(self) -> None:
        """Lose everything but the snapshots."""
        self.dead_since_s, self.held = self._clock.now_s, {}

    def answer(self, shard: ShardName) -> tuple[set[str], ...]:
        """The items of a shard, alone; nothing when the node is gone or doesn't serve it."""
        held = self.held.get(shard)
        return (held.items,) if held is not None and held.serves else ()

    def _in_this_life(self, within_s: float, event: Callable[[], None]) -> None:
        life = self._life

        def unless_dead() -> None:
            if self.alive and life == self._life:
                event()

        self._clock.within(within_s, unless_dead)

    def _look(self) -> None:
        self._reconcile()
        for shard, held in self.held.items():
            if held.serves:
                self._apply(shard, held)
        self._in_this_life(APPLY_WITHIN_S, self._look)

    def _reconcile(self) -> None:
        if not self.alive:
            return
        wanted = {ShardName(*shard) for shard in self._reader.view.held_by(self.name)}
        for shard in sorted(wanted - set(self.held)):
            held = self.held[shard] = HeldShard(self._snapshots.get(shard, (0, frozenset())))
            self._in_this_life(OPEN_WITHIN_S, partial(self._serve, shard, held))
        for shard in self._leaving.due(self.held, wanted, self._clock.now_s):
            del self.held[shard]
        self._report()

    def _serve(self, shard: ShardName, held: HeldShard) -> None:
        if self.held.get(shard) is held:
            self._apply(shard, held)
            held.serves = True
            self._report()

    def _apply(self, shard: ShardName, held: HeldShard) -> None:
        end = self._logs.end(shard)
        self._logs.apply(shard, held.items, held.applied, end)
        held.applied = end
        if self._clock.chance.random() < SNAPSHOT_SHARE:
            self._snapshots[shard] = (held.applied, frozenset(held.items))

    def _report(self) -> None:
        serving: dict[str, list[int]] = {}
        for shard in sorted(self.held):
            if self.held[shard].serves:
                serving.setdefault(shard.generation, []).append(shard.shard)
        if serving != self._reported:
            self._reported = serving
            self._topic.append(NodeReport(node=self.name, url=self.name, serving=serving))
