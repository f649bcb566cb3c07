"""What operators want of a placement, as the nodes that each shard should end on."""

from collections.abc import Collection, Iterable

from ops.placement.facts import Facts, Holders, ShardName, Weights
from schemas.errors import InputError


def moved(now: Holders, shard: ShardName, source: str, target: str) -> Holders:
    """One replica on another node.

    Raises:
        InputError: the shard is not on the source, or is on the target already.
    """
    held = _held(now, shard)
    if target in held:
        raise InputError(f"{shard} is on {target} already", code="bad_move")
    if source not in held:
        raise InputError(f"{shard} is not on {source}, but on {', '.join(held)}", code="bad_move")
    return {shard: tuple(target if node == source else node for node in held)}


def replicated(now: Holders, generation: str, replicas: int, nodes: Collection[str], weights: Weights) -> Holders:
    """Every shard of a generation on so many nodes: new ones on the lightest, superfluous ones off the heaviest.

    Raises:
        InputError: there are fewer nodes than replicas.
    """
    if not 1 <= replicas <= len(nodes):
        raise InputError(f"{replicas} replicas need as many nodes, and {len(nodes)} answer", code="too_few_nodes")
    load = _Load(now, nodes, weights)
    goal: Holders = {}
    for shard in sorted(now, key=lambda one: (-weights.get(one, 1.0), one)):
        if shard.generation != generation:
            continue
        held = now[shard]
        while len(held) > replicas:
            held = load.drop(shard, held)
        while len(held) < replicas:
            held = load.add(shard, held)
        goal[shard] = held
    return goal


def drained(now: Holders, leaving: Collection[str], nodes: Collection[str], weights: Weights) -> Holders:
    """No shard on the nodes that leave; each of their replicas on the lightest other that doesn't have it.

    Raises:
        InputError: a shard has no other node to go to.
    """
    load = _Load(now, [node for node in nodes if node not in leaving], weights)
    goal: Holders = {}
    for shard in sorted(now, key=lambda one: (-weights.get(one, 1.0), one)):
        held = now[shard]
        for node in [node for node in held if node in leaving]:
            if not load.can_add(held):
                raise InputError(
                    f"no node can take {shard} from {node}: every other that answers has it", code="too_few_nodes"
                )
            held = load.add(shard, tuple(other for other in held if other != node))
        if held != now[shard]:
            goal[shard] = held
    return goal


def repaired(now: Holders, facts: Facts, weights: Weights) -> Holders:
    """The replicas of nodes that are gone on others, of the shards that another live replica serves.

    What has no room elsewhere stays, and what nobody else serves: the node may come back with it.
    """
    gone = facts.gone
    load = _Load(now, facts.alive - gone, weights)
    goal: Holders = {}
    for shard in sorted(now, key=lambda one: (-weights.get(one, 1.0), one)):
        held = now[shard]
        if not any(facts.serves(shard, node) for node in held if node not in gone):
            continue
        for node in [node for node in held if node in gone]:
            if load.can_add(held):
                held = load.add(shard, tuple(other for other in held if other != node))
        if held != now[shard]:
            goal[shard] = held
    return goal


def rebalanced(now: Holders, nodes: Collection[str], weights: Weights) -> Holders:
    """Nodes as evenly loaded as single moves make them, the most useful one first.

    Each lowers the sum of the squared loads, so that it ends, and so that the same weights never bring it back.
    """
    load = _Load(now, nodes, weights)
    holders = dict(now)
    while (best := _best_move(holders, load)) is not None:
        shard, source, target = best
        holders[shard] = tuple(target if node == source else node for node in holders[shard])
        load.shift(shard, source, target)
    return {shard: held for shard, held in holders.items() if set(held) != set(now[shard])}


def _best_move(holders: Holders, load: "_Load") -> tuple[ShardName, str, str] | None:
    """The replica, and the node for it, that lower the sum of the nodes' squared loads most; None when none does."""
    found: list[tuple[float, ShardName, str, str]] = []
    for shard, held in holders.items():
        weight = load.weight(shard)
        for source in set(held) & set(load.of):
            for target in set(load.of) - set(held):
                gained = 2 * weight * (load.of[source] - load.of[target] - weight)
                if gained > 0:
                    found.append((-gained, shard, source, target))
    return min(found)[1:] if found else None


class _Load:
    """The weight on each node, kept up while replicas are put elsewhere; a shard without a known weight weighs one."""

    def __init__(self, now: Holders, nodes: Iterable[str], weights: Weights) -> None:
        self._weights = weights
        self.of = dict.fromkeys(sorted(nodes), 0.0)
        for shard, held in now.items():
            for node in held:
                if node in self.of:
                    self.of[node] += self.weight(shard)

    def weight(self, shard: ShardName) -> float:
        return self._weights.get(shard, 1.0)

    def can_add(self, held: Collection[str]) -> bool:
        return any(node not in held for node in self.of)

    def add(self, shard: ShardName, held: tuple[str, ...]) -> tuple[str, ...]:
        target = min((node for node in self.of if node not in held), key=lambda node: (self.of[node], node))
        self.of[target] += self.weight(shard)
        return (*held, target)

    def drop(self, shard: ShardName, held: tuple[str, ...]) -> tuple[str, ...]:
        """Without the node that is gone, or else the heaviest."""
        source = max(held, key=lambda node: (self.of.get(node, float("inf")), node))
        if source in self.of:
            self.of[source] -= self.weight(shard)
        return tuple(node for node in held if node != source)

    def shift(self, shard: ShardName, source: str, target: str) -> None:
        self.of[source] -= self.weight(shard)
        self.of[target] += self.weight(shard)


def _held(now: Holders, shard: ShardName) -> tuple[str, ...]:
    if shard not in now:
        raise InputError(f"there is no shard {shard}", code="unknown_shard")
    return now[shard]
