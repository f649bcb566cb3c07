"""Placements, and what is known of them, as hypothesis draws them."""

from hypothesis import strategies as st

from ops.placement.facts import Facts, Holders, Replica, ShardName, holders_of
from schemas.cluster import Move, Placement

NODES = tuple(f"n{n}" for n in range(5))

node_sets = st.lists(st.sampled_from(NODES), unique=True, min_size=1, max_size=4)


@st.composite
def placements(draw: st.DrawFn, under_way: bool = True) -> Placement:
    """Up to two generations of up to five shards; perhaps with moves under way."""
    shards = draw(
        st.dictionaries(
            st.sampled_from(["g1", "g2"]), st.lists(node_sets, min_size=1, max_size=5), min_size=1, max_size=2
        )
    )
    placement = Placement(epoch=1, writer="test", serving="g1", shards=shards)
    moves = []
    for shard, held in sorted(holders_of(placement).items()):
        if under_way and len(held) > 1 and draw(st.booleans()):
            source, target = draw(st.permutations(held))[:2]
            one_less = draw(st.booleans())
            moves.append(
                Move(generation=shard.generation, shard=shard.shard, source=source, target="" if one_less else target)
            )
    return Placement(epoch=1, writer="test", serving="g1", shards=shards, moves=moves)


@st.composite
def facts(draw: st.DrawFn, placement: Placement) -> Facts:
    """Some nodes answer, and some replicas serve."""
    alive = draw(st.frozensets(st.sampled_from(NODES)))
    there = [Replica(*shard, node) for shard, held in sorted(holders_of(placement).items()) for node in held]
    return Facts(alive, frozenset(replica for replica in there if draw(st.booleans())))


def moves(placement: Placement) -> st.SearchStrategy[list[Move]]:
    """Moves that an operator may want, some of which make no sense."""
    ends = st.sampled_from(("", *NODES))
    shards = st.sampled_from(sorted(holders_of(placement)))
    return st.lists(
        st.builds(
            lambda shard, source, target: Move(
                generation=shard.generation, shard=shard.shard, source=source, target=target
            ),
            shards,
            ends,
            ends,
        ).filter(lambda move: move.source != move.target),
        max_size=6,
    )


def all_well(placement: Placement) -> Facts:
    """Every node answers, and every replica has caught up."""
    there = frozenset(Replica(*shard, node) for shard, held in holders_of(placement).items() for node in held)
    return Facts(frozenset(NODES), there)


def loads_of(holders: Holders, weights: dict[ShardName, float]) -> dict[str, float]:
    """What each node carries."""
    loads = dict.fromkeys(NODES, 0.0)
    for shard, held in holders.items():
        for node in held:
            loads[node] += weights[shard]
    return loads
