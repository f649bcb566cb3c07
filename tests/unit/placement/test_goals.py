"""What operators ask for ends where they expect it, by as few moves as it takes."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.placement.facts import Facts, Holders, Replica, ShardName, holders_of
from ops.placement.goals import drained, moved, rebalanced, repaired, replicated
from ops.placement.planner import moves_between
from schemas.errors import InputError
from tests.unit.placement.clusters import NODES, loads_of, placements

FIVE = [ShardName("g1", number) for number in range(5)]


def weights_of(data: st.DataObject, holders: Holders) -> dict[ShardName, float]:
    return {shard: data.draw(st.integers(1, 100)) for shard in sorted(holders)}


@given(st.data())
def test_rebalancing_ends_where_no_single_move_helps(data: st.DataObject) -> None:
    now = holders_of(data.draw(placements(under_way=False)))
    weights = weights_of(data, now)
    goal = {**now, **rebalanced(now, NODES, weights)}
    loads = loads_of(goal, weights)
    for shard, held in goal.items():
        for source in held:
            for target in set(NODES) - set(held):
                assert weights[shard] >= loads[source] - loads[target]
    assert {shard: len(held) for shard, held in goal.items()} == {shard: len(held) for shard, held in now.items()}
    assert all(len(set(held)) == len(held) for held in goal.values())
    assert rebalanced(goal, NODES, weights) == {}


@given(st.lists(st.sampled_from(NODES), min_size=1, max_size=12))
def test_equal_shards_are_balanced_by_the_fewest_moves(homes: list[str]) -> None:
    now = {ShardName("g1", number): (node,) for number, node in enumerate(homes)}
    goal = rebalanced(now, NODES, dict.fromkeys(now, 1.0))
    counts = sorted(Counter({**dict.fromkeys(NODES, 0), **Counter(homes)}).values(), reverse=True)
    each, more = divmod(len(homes), len(NODES))
    fewest = sum(max(0, count - each - (place < more)) for place, count in enumerate(counts))
    assert len(moves_between(now, goal)) == fewest


@given(st.data())
def test_a_drained_node_holds_nothing_and_the_others_stay(data: st.DataObject) -> None:
    now = holders_of(data.draw(placements(under_way=False)))
    leaving = data.draw(st.sampled_from(NODES))
    goal = drained(now, {leaving}, NODES, weights_of(data, now))
    assert set(goal) == {shard for shard, held in now.items() if leaving in held}
    for shard, held in goal.items():
        assert leaving not in held
        assert set(now[shard]) - {leaving} < set(held)
        assert len(held) == len(now[shard])


def test_a_node_is_not_drained_where_nobody_else_can_take_a_shard() -> None:
    now = {FIVE[0]: ("n0", "n1")}
    with pytest.raises(InputError, match="no node can take g1/0 from n0"):
        drained(now, {"n0"}, ("n0", "n1"), {})


@given(st.data())
def test_only_what_somebody_else_serves_is_placed_again(data: st.DataObject) -> None:
    now = holders_of(data.draw(placements(under_way=False)))
    gone = data.draw(st.frozensets(st.sampled_from(NODES), max_size=3))
    alive = frozenset(NODES) - gone - data.draw(st.frozensets(st.sampled_from(NODES), max_size=1))
    served = frozenset(Replica(*s, node) for s, held in now.items() for node in held if data.draw(st.booleans()))
    facts = Facts(alive, served, gone)
    for shard, held in repaired(now, facts, weights_of(data, now)).items():
        assert any(facts.serves(shard, node) for node in now[shard])
        assert set(held) - set(now[shard]) <= alive
        assert set(now[shard]) - set(held) <= gone
        assert len(held) == len(now[shard])


@given(st.data())
def test_every_shard_of_a_generation_gets_its_replicas_and_keeps_what_it_can(data: st.DataObject) -> None:
    now = holders_of(data.draw(placements(under_way=False)))
    generation, replicas = data.draw(st.sampled_from(sorted({s.generation for s in now}))), data.draw(st.integers(1, 5))
    goal = replicated(now, generation, replicas, NODES, weights_of(data, now))
    assert set(goal) == {shard for shard in now if shard.generation == generation}
    for shard, held in goal.items():
        assert len(set(held)) == len(held) == replicas
        assert set(held) <= set(now[shard]) or set(held) >= set(now[shard])


def test_one_shard_moves_and_what_cannot_is_told() -> None:
    now = {FIVE[0]: ("n0", "n1")}
    assert moved(now, FIVE[0], "n0", "n2") == {FIVE[0]: ("n2", "n1")}
    with pytest.raises(InputError, match="is on n1 already"):
        moved(now, FIVE[0], "n0", "n1")
    with pytest.raises(InputError, match="g1/0 is not on n3, but on n0, n1"):
        moved(now, FIVE[0], "n3", "n4")
    with pytest.raises(InputError, match="no shard g1/4"):
        moved(now, FIVE[4], "n0", "n1")
    with pytest.raises(InputError, match="3 replicas need as many nodes, and 2 answer"):
        replicated(now, "g1", 3, ("n0", "n1"), {})
