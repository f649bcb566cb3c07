"""A model that never objects would prove nothing: each mistake planted here is found within a few hundred histories."""

from collections.abc import Callable

import pytest

import index_shards.node.leaving
import ops.placement.planner
from ops.placement.facts import ShardName
from ops.simulation.history import History
from ops.simulation.logs import ItemLogs
from ops.simulation.nodes import HeldShard, SimNode
from ops.simulation.routers import Violation
from query_router.placement_view import PlacementView
from schemas.cluster import NodeReport

MOST_HISTORIES = 400


def leave_before_the_target_serves(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ops.placement.planner, "may_end", lambda placement, facts, move: True)


def close_a_shard_as_soon_as_it_is_not_wanted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(index_shards.node.leaving, "LINGER_S", 0.0)


def serve_before_all_is_applied(patch: pytest.MonkeyPatch) -> None:
    def serve(node: SimNode, shard: ShardName, held: HeldShard) -> None:
        held.serves = True
        node._report()

    patch.setattr(SimNode, "_serve", serve)


def lose_deletes_of_what_a_snapshot_has(patch: pytest.MonkeyPatch) -> None:
    def apply(logs: ItemLogs, shard: ShardName, items: set[str], start: int, end: int) -> None:
        items.update(item for _, item, there in logs._changes[shard][start:end] if there)

    patch.setattr(ItemLogs, "apply", apply)


def ask_one_replica_alone(patch: pytest.MonkeyPatch) -> None:
    replicas = PlacementView.replicas

    def first(view: PlacementView, generation: str, shard: int) -> list[NodeReport]:
        return replicas(view, generation, shard)[:1]

    patch.setattr(PlacementView, "replicas", first)


MISTAKES = {
    mistake.__name__: mistake
    for mistake in (
        leave_before_the_target_serves,
        close_a_shard_as_soon_as_it_is_not_wanted,
        serve_before_all_is_applied,
        lose_deletes_of_what_a_snapshot_has,
        ask_one_replica_alone,
    )
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_it_is_found(mistake: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    mistake(monkeypatch)
    with pytest.raises(Violation):
        for seed in range(MOST_HISTORIES):
            History(seed).run()


def test_a_seed_tells_the_same_history_again() -> None:
    first, again = History(4), History(4)
    first.run()
    again.run()
    assert first.trace == again.trace
    assert first.checked == again.checked > 0
