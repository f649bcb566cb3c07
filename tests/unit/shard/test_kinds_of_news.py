"""What a person is told of a change: new, a new picture, changed attributes, withdrawn, or nothing."""

from pathlib import Path

from index_shards.applying import Applied
from schemas.item_state import ItemState, join
from tests.unit.shard.oracle import change_state, open_shard, vectors_of


def test_each_change_is_told_as_what_shows_of_it(tmp_path: Path) -> None:
    shard = open_shard(tmp_path)
    told: list[str | None] = []
    state = change_state("a", "upsert", 1, 1, {"price": 1})

    def take(applied: Applied) -> None:
        told.append(applied.kind)
        assert (applied.kind is None) or applied.searchable_us > 0

    def known(after: ItemState) -> ItemState:
        nonlocal state
        state = join(state, after)
        return state

    take(shard.apply_state(state))  # not searchable yet
    assert state.upserted is not None
    take(shard.apply_vectors("a", vectors_of(state.upserted, b"red")))
    take(shard.apply_state(known(change_state("a", "patch", 2, 2, {"price": 2}))))
    take(shard.apply_state(known(change_state("a", "patch", 3, 3, {"price": 2}))))  # the same price again
    take(shard.apply_state(state))  # a replay
    again = known(change_state("a", "upsert", 4, 4, {"price": 2}))
    take(shard.apply_state(again))  # the picture is still to come
    assert again.upserted is not None
    take(shard.apply_vectors("a", vectors_of(again.upserted, b"blue")))
    take(shard.apply_state(known(change_state("a", "delete", 5, 5))))
    take(shard.apply_state(known(change_state("a", "upsert", 6, 6, {}))))
    assert state.upserted is not None
    take(shard.apply_vectors("a", vectors_of(state.upserted, b"blue")))
    shard.close()

    assert told == [None, "new", "attributes", None, None, None, "picture", "deleted", None, "new"]
