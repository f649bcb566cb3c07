"""From a placement, what is known and what is wanted to the next placement: pure, so that every case can be tried.

A replica moves by make-before-break. First the shard is placed on the target as well, and the move is written down in
the placement; when the target serves and has caught up, the source and the move are taken out. Each is one epoch, so an
operator that dies leaves a placement that serves, and that says what was under way.
"""

from collections.abc import Iterable, Sequence

import msgspec

from ops.placement.facts import Facts, Holders, ShardName, holders_of, settled
from schemas.cluster import Move, Placement


def moves_between(now: Holders, goal: Holders) -> list[Move]:
    """The fewest moves that bring the shards of the goal to it; shards that the goal doesn't name stay."""
    moves = []
    for shard in sorted(goal):
        held, wanted = set(now.get(shard, ())), set(goal[shard])
        added, removed = sorted(wanted - held), sorted(held - wanted)
        for at in range(max(len(added), len(removed))):
            source = removed[at] if at < len(removed) else ""
            target = added[at] if at < len(added) else ""
            moves.append(Move(generation=shard.generation, shard=shard.shard, source=source, target=target))
    return moves


def plan(placement: Placement, goal: Holders) -> list[Move]:
    """The moves that lead to a goal from where the moves under way lead."""
    return moves_between(settled(placement), goal)


def makes_sense(placement: Placement, move: Move) -> bool:
    """Whether a move can still begin: its source holds the shard, its target doesn't, no other move has to do with it.

    What has no target must leave another replica behind.
    One that was planned beside another operator's may have been overtaken.
    """
    shard = shard_of_move(move)
    held = holders_of(placement).get(shard)
    if held is None or any(shard_of_move(other) == shard for other in placement.moves):
        return False
    if not move.target:
        return move.source in held and len(held) > 1
    return move.target not in held and (not move.source or move.source in held)


def advance(placement: Placement, facts: Facts, waiting: Sequence[Move], most_at_once: int) -> Placement:
    """What can be done now, as a placement of the same epoch; the same one where nothing can.

    Every move under way whose target has caught up ends, whoever began it, and one whose target is gone is undone; then
    waiting ones begin, in order, while fewer than `most_at_once` are under way.
    """
    placement = abort(placement, facts, [move for move in placement.moves if move.target in facts.gone])
    for move in placement.moves:
        if may_end(placement, facts, move):
            placement = without_move(placement, move, move.source)
    for move in waiting:
        if len(placement.moves) >= most_at_once:
            break
        if makes_sense(placement, move) and (not move.target or move.target in facts.alive):
            placement = _with_move(placement, move)
            # A target that serves already may be about to close the shard: it has not read yet that it shall keep it.
            if not move.target and may_end(placement, facts, move):
                placement = without_move(placement, move, move.source)
    return placement


def may_end(placement: Placement, facts: Facts, move: Move) -> bool:
    """Whether the source can be left: the target serves, or some other replica does where there is no target."""
    shard = shard_of_move(move)
    if move.target:
        return facts.serves(shard, move.target)
    return any(node != move.source and facts.serves(shard, node) for node in holders_of(placement)[shard])


def may_abort(placement: Placement, facts: Facts, move: Move) -> bool:
    """Whether the target can be taken out again: another replica serves the shard, or the target doesn't."""
    shard = shard_of_move(move)
    others = [node for node in holders_of(placement)[shard] if node != move.target]
    return bool(others) and (
        any(facts.serves(shard, node) for node in others) or not facts.serves(shard, move.target or "")
    )


def abort(placement: Placement, facts: Facts, moves: Iterable[Move]) -> Placement:
    """Undo these moves where that leaves a serving replica; the others stay under way."""
    for move in moves:
        if move in placement.moves and may_abort(placement, facts, move):
            placement = without_move(placement, move, move.target)
    return placement


def shard_of_move(move: Move) -> ShardName:
    """The shard that moves."""
    return ShardName(move.generation, move.shard)


def without_move(placement: Placement, move: Move, left: str) -> Placement:
    """The placement once a move is no more under way and its shard has left this node."""
    nodes = [node for node in placement.shards[move.generation][move.shard] if node != left]
    return _replaced(placement, move, nodes, [other for other in placement.moves if other != move])


def _with_move(placement: Placement, move: Move) -> Placement:
    nodes = placement.shards[move.generation][move.shard]
    return _replaced(placement, move, [*nodes, move.target] if move.target else nodes, [*placement.moves, move])


def _replaced(placement: Placement, move: Move, nodes: list[str], moves: list[Move]) -> Placement:
    shards = list(placement.shards[move.generation])
    shards[move.shard] = nodes
    return msgspec.structs.replace(placement, shards={**placement.shards, move.generation: shards}, moves=moves)
