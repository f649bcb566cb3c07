"""Carrying an errand out on a real cluster: look, write an epoch, look again, until it is done."""

import time
import uuid
from collections.abc import Callable

from ops.placement.errand import Errand, Goal
from ops.placement.facts import Facts, holders_of
from ops.placement.planner import abort
from ops.placement.sight import Lookout, Sight
from schemas.cluster import ClusterView, Move, Placement
from schemas.cluster_log import publish, read_cluster
from schemas.errors import NotReady
from schemas.settings import KafkaSettings

LOOK_EVERY_S = 0.5

Show = Callable[[Placement, Sight, Errand], None]


def new_writer(command: str) -> str:
    """A name that no other run of a command has."""
    return f"{command}-{uuid.uuid4().hex[:12]}"


def seen(kafka: KafkaSettings, lookout: Lookout) -> tuple[Placement, Sight]:
    """The newest placement, and what the nodes say beside it.

    Raises:
        NotReady: the broker does not answer, or nothing is placed yet.
    """
    view: ClusterView = read_cluster(kafka)
    if view.placement is None:
        raise NotReady("nothing is placed on this Kafka yet")
    return view.placement, lookout.look(view)


def carry_out(kafka: KafkaSettings, goal: Goal, command: str, most_at_once: int, wait: bool, show: Show) -> list[Move]:
    """Write one epoch after another until the goal is reached; the moves that were planned.

    With `wait` it returns only when every node holds what placement says, and nothing else. Killed at any moment it
    leaves a placement that serves: run again, it goes on.

    Raises:
        InputError: the goal cannot be reached from here.
        NotReady: the broker does not answer.
    """
    errand, lookout = Errand(goal, new_writer(command), most_at_once), Lookout()
    planned: list[Move] | None = None
    while True:
        placement, sight = seen(kafka, lookout)
        following = errand.following(placement, sight.facts)
        if planned is None:
            planned = list(errand.waiting or [])
        show(placement, sight, errand)
        if following is not None:
            publish(kafka, following)
        elif errand.done and not (wait and unsettled(placement, sight)):
            return planned
        else:
            time.sleep(LOOK_EVERY_S)


def undo(kafka: KafkaSettings, chosen: Callable[[Move], bool]) -> tuple[list[Move], list[Move]]:
    """Take back the moves under way that are chosen; those that were, and those whose shard only the target serves.

    Raises:
        NotReady: the broker does not answer.
    """
    writer, lookout = new_writer("abort"), Lookout()
    wanted: list[Move] | None = None
    while True:
        placement, sight = seen(kafka, lookout)
        wanted = [move for move in placement.moves if chosen(move)] if wanted is None else wanted
        after = abort(placement, sight.facts, wanted)
        left = [move for move in wanted if move in after.moves]
        if after == placement:
            return [move for move in wanted if move not in left], left
        publish(kafka, next_epoch(after, placement.epoch, writer))


def next_epoch(placement: Placement, epoch: int, writer: str) -> Placement:
    """The placement as the epoch after another one."""
    return Placement(
        epoch=epoch + 1, writer=writer, serving=placement.serving, shards=placement.shards, moves=placement.moves
    )


def unsettled(placement: Placement, sight: Sight) -> list[str]:
    """What nodes that answer hold and should not, or should and do not serve, as sentences."""
    facts: Facts = sight.facts
    placed = {(shard, node) for shard, held in holders_of(placement).items() for node in held}
    lacking = [f"{shard} on {node}" for shard, node in sorted(placed) if not facts.serves(shard, node)]
    there = {((replica.generation, replica.shard), replica.node) for replica in sight.replicas}
    return lacking + [f"{g}/{n} still on {node}" for (g, n), node in sorted(there - placed)]
