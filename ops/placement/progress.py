"""How a change of placement goes, in lines for people: what each move is at, and how much of it is done."""

from collections.abc import Callable
from typing import Any

from ops.placement.errand import Errand
from ops.placement.facts import Holders, Replica
from ops.placement.sight import Sight
from schemas.cluster import Move, Placement
from schemas.settings import MIB


def loads(now: Holders, then: Holders, sight: Sight) -> list[dict[str, Any]]:
    """Each node's shards and memory, as they are and as they will be."""
    weights = sight.weights("bytes")
    nodes = {node for holders in (now, then) for held in holders.values() for node in held} | sight.facts.alive

    def load(holders: Holders, node: str) -> tuple[int, float]:
        there = [shard for shard, held in holders.items() if node in held]
        return len(there), round(sum(weights.get(shard, 0.0) for shard in there) / MIB, 1)

    rows = []
    for node in sorted(nodes):
        (count, mib), (count_then, mib_then) = load(now, node), load(then, node)
        rows.append({"node": node, "shards": count, "shards_then": count_then, "mib": mib, "mib_then": mib_then})
    return rows


def stage_of(move: Move, sight: Sight) -> str:
    """What a move is at: the target's own words, or that it doesn't answer."""
    if not move.target:
        return "waits for another replica"
    if move.target not in sight.facts.alive:
        return f"{move.target} does not answer"
    target = Replica(move.generation, move.shard, move.target)
    status = sight.replicas.get(target)
    if target in sight.facts.caught_up:
        return "serves and has caught up"
    if status is None:
        return f"{move.target} has not opened it yet"
    return status.error or status.words or status.state


class Progress:
    """Says what changed since it was last said."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._told: dict[Move, str] = {}

    def show(self, placement: Placement, sight: Sight, errand: Errand) -> None:
        """Tell of every move whose stage is a new one, and of every one that has ended."""
        for move in [move for move in self._told if move not in placement.moves]:
            del self._told[move]
            self._say(f"{move}: ended; {len(errand.waiting or [])} more to begin")
        for move in placement.moves:
            stage = stage_of(move, sight)
            if self._told.get(move) != stage:
                self._told[move] = stage
                self._say(f"{move}: {stage}")
