"""What is known of a real cluster: its nodes' reports, and what they answer when asked."""

import time
from typing import NamedTuple

from ops.node_status import ask_nodes
from ops.placement.facts import Facts, Replica, ShardName, Weights
from schemas.cluster import ClusterView
from schemas.node_status import ShardStatus

# A replica that serves has caught up when it lacks no more records than another one of its shard, and these.
CAUGHT_UP_RECORDS = 1000
# A node that doesn't answer for so long is not waited for any more.
GONE_AFTER_S = 15.0
_ANSWERING = ("serving", "compacting")


class Sight(NamedTuple):
    """One look at the cluster: what plans are made of, and what each replica says of itself."""

    facts: Facts
    replicas: dict[Replica, ShardStatus]

    def weights(self, by: str) -> Weights:
        """Each shard's weight: `bytes` in memory, or `items`; that of the replica that has most."""
        weights: dict[ShardName, float] = {}
        for replica, status in self.replicas.items():
            shard = ShardName(replica.generation, replica.shard)
            weight = float(status.size_bytes if by == "bytes" else status.items)
            weights[shard] = max(weights.get(shard, 0.0), weight, 1.0)
        return weights


class Lookout:
    """Looks at the cluster again and again, and remembers since when a node hasn't answered."""

    def __init__(self, gone_after_s: float = GONE_AFTER_S) -> None:
        self._gone_after_s = gone_after_s
        self._silent_since_s: dict[str, float] = {}

    def look(self, view: ClusterView) -> Sight:
        """Ask every announced node."""
        now_s = time.monotonic()
        epoch = 0 if view.placement is None else view.placement.epoch
        alive: set[str] = set()
        knowing: set[str] = set()
        replicas: dict[Replica, ShardStatus] = {}
        for asked in ask_nodes(view):
            name, status = asked.report.node, asked.status
            if status is None or status.node != name:
                self._silent_since_s.setdefault(name, now_s)
                continue
            self._silent_since_s.pop(name, None)
            alive.add(name)
            if status.epoch >= epoch:
                knowing.add(name)
            replicas |= {Replica(shard.generation, shard.shard, name): shard for shard in status.shards}
        gone = {name for name, since_s in self._silent_since_s.items() if now_s - since_s >= self._gone_after_s}
        known = {replica: status for replica, status in replicas.items() if replica.node in knowing}
        return Sight(Facts(frozenset(alive), frozenset(caught_up(known)), frozenset(gone)), replicas)


def caught_up(replicas: dict[Replica, ShardStatus]) -> set[Replica]:
    """The replicas that serve and lack hardly more records than another one of their shard, or hardly any."""
    lacking = {
        replica: lacks
        for replica, status in replicas.items()
        if status.state in _ANSWERING and (lacks := _lacks(status)) is not None
    }
    found = set()
    for replica, lacks in lacking.items():
        others = [n for other, n in lacking.items() if other != replica and other[:2] == replica[:2]]
        if lacks <= max(others, default=0) + CAUGHT_UP_RECORDS:
            found.add(replica)
    return found


def _lacks(status: ShardStatus) -> int | None:
    """How many records it has not applied; None while that is unknown."""
    return None if -1 in status.lag.values() else sum(status.lag.values())
