"""What must hold of every plan, whatever the cluster is like."""

from hypothesis import given
from hypothesis import strategies as st

from ops.placement.facts import holders_of, settled
from ops.placement.planner import abort, advance, makes_sense, moves_between, plan
from schemas.cluster import Placement
from tests.unit.placement.clusters import NODES, all_well, facts, moves, node_sets, placements


def serving_somewhere(placement: Placement, known: object) -> set[object]:
    return {shard for shard, held in holders_of(placement).items() if any(known.serves(shard, node) for node in held)}


@given(st.data())
def test_the_last_serving_replica_is_never_taken_away(data: st.DataObject) -> None:
    placement = data.draw(placements())
    known = data.draw(facts(placement))
    waiting = data.draw(moves(placement))
    before = serving_somewhere(placement, known)
    assert serving_somewhere(advance(placement, known, waiting, data.draw(st.integers(1, 9))), known) >= before
    assert serving_somewhere(abort(placement, known, placement.moves), known) >= before


@given(st.data())
def test_nothing_begins_towards_a_node_that_does_not_answer(data: st.DataObject) -> None:
    placement = data.draw(placements())
    known = data.draw(facts(placement))
    after = advance(placement, known, data.draw(moves(placement)), 9)
    for shard, held in holders_of(after).items():
        assert set(held) - set(holders_of(placement)[shard]) <= known.alive
    assert all(move.target in known.alive for move in after.moves if move.target and move not in placement.moves)


@given(st.data())
def test_a_placement_and_its_moves_agree(data: st.DataObject) -> None:
    placement = data.draw(placements())
    after = advance(placement, data.draw(facts(placement)), data.draw(moves(placement)), 9)
    for move in after.moves:
        held = after.shards[move.generation][move.shard]
        assert not move.target or move.target in held
        assert not move.source or move.source in held
    assert all(held and len(set(held)) == len(held) for held in holders_of(after).values())


@given(st.data())
def test_where_all_is_well_the_goal_is_reached_and_kept(data: st.DataObject) -> None:
    placement = data.draw(placements())
    goal = {shard: tuple(data.draw(node_sets)) for shard in holders_of(placement)}
    at_once = data.draw(st.integers(1, 4))
    waiting = plan(placement, goal)
    for _ in range(2 * len(waiting) + len(placement.moves) + 2):
        following = advance(placement, all_well(placement), waiting, at_once)
        assert len(following.moves) <= max(at_once, len(placement.moves))
        placement, waiting = following, plan(following, goal)
    assert not placement.moves
    assert {shard: set(held) for shard, held in holders_of(placement).items()} == {s: set(h) for s, h in goal.items()}
    assert advance(placement, all_well(placement), plan(placement, goal), at_once) == placement


@given(st.data())
def test_no_more_moves_than_replicas_that_change_places(data: st.DataObject) -> None:
    placement = data.draw(placements(under_way=False))
    goal = {shard: tuple(data.draw(node_sets)) for shard in holders_of(placement)}
    planned = moves_between(holders_of(placement), goal)
    for shard, held in holders_of(placement).items():
        of_it = [move for move in planned if (move.generation, move.shard) == shard]
        assert len(of_it) == max(len(set(goal[shard]) - set(held)), len(set(held) - set(goal[shard])))


@given(st.data())
def test_two_operators_never_fight(data: st.DataObject) -> None:
    """Whatever turns they take, each move is made once or never, and all ends."""
    placement = data.draw(placements(under_way=False))
    plans = [
        moves_between(holders_of(placement), {shard: tuple(data.draw(node_sets)) for shard in holders_of(placement)})
        for _ in range(2)
    ]
    most = 2 * sum(map(len, plans)) + 2
    epochs = idle = 0
    while idle < 4 and epochs <= most:
        turn = data.draw(st.integers(0, 1)) if idle < 2 else idle % 2
        after = advance(placement, all_well(placement), plans[turn], 2)
        plans[turn] = [move for move in plans[turn] if move not in placement.moves and makes_sense(after, move)]
        idle, epochs, placement = (idle + 1, epochs, after) if after == placement else (0, epochs + 1, after)
    assert epochs <= most
    assert not placement.moves
    assert settled(placement) == holders_of(placement)
    assert {node for held in holders_of(placement).values() for node in held} <= set(NODES)
