"""`lookalive shards move | replicate | drain | rebalance | abort`: who holds which shard, changed while it serves."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops.console import out, print_json, print_table, speak_aside, spoken_errors
from ops.endpoints import kafka_of
from schemas.errors import InputError
from schemas.settings import MIB

if TYPE_CHECKING:
    from ops.placement.errand import Goal
    from ops.placement.facts import Facts, Holders, ShardName
    from ops.placement.sight import Sight
    from schemas.cluster import Move, Placement

    GoalOf = Callable[[Placement, Sight], Goal]

JsonFlag = Annotated[bool, typer.Option("--json", help="print JSON for scripts")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="show the plan and its end, change nothing")]
Wait = Annotated[bool, typer.Option("--wait", help="return when the nodes hold what was asked, and nothing else")]
AtOnce = Annotated[int, typer.Option("--max-concurrent", min=1, help="replicas on their way at the same time")]
By = Annotated[str, typer.Option(help="what is balanced: bytes or items")]
Shard = Annotated[str, typer.Argument(metavar="GENERATION/SHARD", help="as `shards status` shows them: g1/0")]


def move(
    shard: Shard,
    to: Annotated[str, typer.Argument(metavar="NODE", help="the node that takes it")],
    source: Annotated[str | None, typer.Option("--from", help="the node that gives it; needed with replicas")] = None,
    dry_run: DryRun = False,
    wait: Wait = False,
    as_json: JsonFlag = False,
) -> None:
    """Move one replica of a shard to another node, without a query that misses it."""
    from ops.placement.goals import moved

    def goal(now: "Holders", facts: "Facts") -> "Holders":
        name = _shard_name(shard)
        held = now.get(name, ())
        if source is None and len(held) > 1:
            raise InputError(f"{shard} is on {', '.join(held)}: say which with --from", code="bad_move")
        if set(held) == {to}:
            return {}
        _check_node(to, facts)
        return moved(now, name, source or "".join(held[:1]), to)

    _carry_out("move", lambda placement, sight: goal, 1, dry_run, wait, as_json)


def replicate(
    replicas: Annotated[int, typer.Argument(min=1, help="nodes that hold each shard")],
    generation: Annotated[str | None, typer.Option(help="instead of the one that is searched")] = None,
    dry_run: DryRun = False,
    wait: Wait = False,
    at_once: AtOnce = 1,
    as_json: JsonFlag = False,
) -> None:
    """Hold every shard of a generation on so many nodes."""
    from ops.placement.goals import replicated

    def goal_of(placement: "Placement", sight: "Sight") -> "Goal":
        name, weights = generation or placement.serving, sight.weights("bytes")
        if name not in placement.shards:
            raise InputError(f"no generation {name} is placed", code="unknown_generation")
        return lambda now, facts: replicated(now, name, replicas, facts.alive, weights)

    _carry_out("replicate", goal_of, at_once, dry_run, wait, as_json)


def drain(
    node: Annotated[str, typer.Argument(help="the node that shall hold nothing")],
    dry_run: DryRun = False,
    wait: Wait = False,
    at_once: AtOnce = 1,
    as_json: JsonFlag = False,
) -> None:
    """Move everything off a node, so that it can be stopped."""
    from ops.placement.goals import drained

    def goal_of(placement: "Placement", sight: "Sight") -> "Goal":
        weights = sight.weights("bytes")
        return lambda now, facts: drained(now, {node}, facts.alive - {node}, weights)

    _carry_out("drain", goal_of, at_once, dry_run, wait, as_json)


def rebalance(
    by: By = "bytes", dry_run: DryRun = False, wait: Wait = False, at_once: AtOnce = 1, as_json: JsonFlag = False
) -> None:
    """Spread the shards evenly over the nodes that answer, by as few moves as it takes."""
    from ops.placement.goals import rebalanced

    def goal_of(placement: "Placement", sight: "Sight") -> "Goal":
        if by not in ("bytes", "items"):
            raise InputError(f"--by takes bytes or items, not {by!r}", code="bad_option")
        weights = sight.weights(by)
        return lambda now, facts: rebalanced(now, facts.alive, weights)

    _carry_out("rebalance", goal_of, at_once, dry_run, wait, as_json)


def abort(
    shard: Annotated[str | None, typer.Argument(metavar="[GENERATION/SHARD]", help="this one alone")] = None,
    dry_run: DryRun = False,
    as_json: JsonFlag = False,
) -> None:
    """Undo the moves that are under way: their shards stay where they were."""
    from ops.cli import read_settings
    from ops.placement.carrying_out import seen, undo
    from ops.placement.sight import Lookout

    with spoken_errors(as_json):
        kafka = kafka_of(read_settings())
        name = None if shard is None else _shard_name(shard)

        def chosen(one: "Move") -> bool:
            return name is None or (one.generation, one.shard) == name

        kept: list[Move] = []
        if dry_run:
            undone = [one for one in seen(kafka, Lookout())[0].moves if chosen(one)]
        else:
            undone, kept = undo(kafka, chosen)
    if as_json:
        print_json({"undone": undone, "kept": kept})
    else:
        for one in undone:
            out.print(f"{'would be undone' if dry_run else 'undone'}: {one}")
        for one in kept:
            out.print(f"not undone, only {one.target} serves it now: {one}")
        if not undone and not kept:
            out.print("nothing is under way")
    raise typer.Exit(1 if kept else 0)


def _carry_out(command: str, goal_of: "GoalOf", at_once: int, dry_run: bool, wait: bool, as_json: bool) -> None:
    from ops.cli import read_settings
    from ops.placement.carrying_out import carry_out, seen
    from ops.placement.facts import settled
    from ops.placement.planner import plan
    from ops.placement.progress import Progress, loads
    from ops.placement.sight import Lookout

    with spoken_errors(as_json):
        kafka = kafka_of(read_settings())
        placement, sight = seen(kafka, Lookout())
        goal = goal_of(placement, sight)
        now = settled(placement)
        wanted = goal(now, sight.facts)
        moves = plan(placement, wanted)
        ends = loads(now, {**now, **wanted}, sight)
        if not as_json:
            _show_plan(placement, moves, ends, sight)
        if not dry_run:
            progress = Progress(speak_aside)
            carry_out(kafka, goal, command, at_once, wait, progress.show)
    if as_json:
        print_json({"moves": moves, "nodes": ends, "done": not dry_run})
    elif not dry_run:
        out.print("done")


def _show_plan(placement: "Placement", moves: "list[Move]", ends: list[dict[str, Any]], sight: "Sight") -> None:
    from ops.placement.planner import shard_of_move

    for one in placement.moves:
        out.print(f"under way already: {one}")
    if not moves:
        out.print("nothing to move")
        return
    weights = sight.weights("bytes")
    rows = []
    for one in moves:
        shard = shard_of_move(one)
        rows.append((str(shard), one.source, one.target, round(weights.get(shard, 0.0) / MIB, 1)))
    print_table(["shard", "from", "to", "MiB"], rows, title="to move")
    columns = ["node", "shards now", "then", "MiB now", "MiB then"]
    print_table(columns, [tuple(end.values()) for end in ends], title="nodes, before and after")


def _shard_name(text: str) -> "ShardName":
    from ops.placement.facts import ShardName

    generation, slash, number = text.rpartition("/")
    if not slash or not generation or not number.isdecimal():
        raise InputError(f"a shard is GENERATION/SHARD, as g1/0, not {text!r}", code="bad_shard")
    return ShardName(generation, int(number))


def _check_node(node: str, facts: "Facts") -> None:
    if node not in facts.alive:
        there = ", ".join(sorted(facts.alive)) or "none does"
        raise InputError(f"no node {node} answers; these do: {there}", code="unknown_node")
