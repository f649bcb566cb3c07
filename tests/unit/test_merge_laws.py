"""The merge of item states: order, repetition and disorder of delivery do not matter."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.changes import CatalogChange
from schemas.item_state import RANKS, ItemState, Origin, Stamp, apply_change, decode_state, encode_state, join

VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(0, 3), st.sampled_from(["a", "b"]), st.lists(st.integers(0, 2))
)
ATTRIBUTES = st.dictionaries(st.sampled_from("xyz"), VALUES, max_size=3)
IMAGES = st.lists(st.sampled_from(["file:///1", "file:///2"]), max_size=2).map(tuple)


@st.composite
def explicit_changes(draw: st.DrawFn) -> CatalogChange:
    """Changes with a version and a time of their own, small enough for ties of every part to happen."""
    op = draw(st.sampled_from(["upsert", "patch", "delete"]))
    return CatalogChange(
        op=op,
        item_id="i",
        images=draw(st.none() | IMAGES) if op == "upsert" else None,
        attributes=None if op == "delete" else draw(ATTRIBUTES if op == "patch" else st.none() | ATTRIBUTES),
        version=draw(st.integers(0, 3)),
        time_us=draw(st.integers(0, 2)),
    )


def state_of(change: CatalogChange, offset: int = 0) -> ItemState:
    return apply_change(None, change, Origin(0, offset, 0))


def merged(changes: list[CatalogChange]) -> ItemState:
    """Each change as if from a partition of its own, so that none counts as a replay and offsets tie."""
    state = ItemState(item_id="i")
    for partition, change in enumerate(changes):
        state = apply_change(state, change, Origin(partition, 0, 0))
    return state


def parts(state: ItemState) -> Any:
    """Everything but where it came from."""
    return (state.upserted, state.deleted, state.replaced, state.image, state.attributes)


@given(explicit_changes(), explicit_changes())
def test_join_is_commutative(a: CatalogChange, b: CatalogChange) -> None:
    assert join(state_of(a), state_of(b)) == join(state_of(b), state_of(a))


@given(explicit_changes(), explicit_changes(), explicit_changes())
def test_join_is_associative(a: CatalogChange, b: CatalogChange, c: CatalogChange) -> None:
    x, y, z = state_of(a), state_of(b), state_of(c)
    assert join(join(x, y), z) == join(x, join(y, z))


@given(st.lists(explicit_changes(), max_size=4))
def test_join_is_idempotent(changes: list[CatalogChange]) -> None:
    state = merged(changes)
    assert join(state, state) == state


@given(st.lists(explicit_changes(), min_size=1, max_size=5), st.data())
def test_any_order_and_any_repetition_give_the_same_state(changes: list[CatalogChange], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(changes + data.draw(st.lists(st.sampled_from(changes), max_size=3))))
    assert parts(merged(changes)) == parts(merged(shuffled))


@given(st.lists(explicit_changes(), min_size=1, max_size=6), st.integers(0, 5))
def test_replay_of_a_suffix_changes_nothing(changes: list[CatalogChange], start: int) -> None:
    state: ItemState | None = None
    for offset, change in enumerate(changes):
        state = apply_change(state, change, Origin(0, offset, offset))
    replayed = state
    for offset, change in list(enumerate(changes))[start:]:
        replayed = apply_change(replayed, change, Origin(0, offset, offset))
    assert replayed == state


@given(st.lists(explicit_changes(), max_size=5))
def test_state_survives_the_wire(changes: list[CatalogChange]) -> None:
    state = merged(changes)
    back = decode_state(encode_state(state))
    assert back == state
    assert back.upserted is None or isinstance(back.upserted, Stamp)


@given(st.lists(explicit_changes(), min_size=1, max_size=6))
def test_live_means_the_newest_upsert_is_newer_than_the_newest_delete(changes: list[CatalogChange]) -> None:
    def newest(op: str) -> tuple[int, int]:
        return max(((c.version or 0, c.time_us or 0) for c in changes if c.op == op), default=(-1, -1))

    assert merged(changes).live == (newest("upsert") > newest("delete"))


@given(st.lists(explicit_changes(), min_size=1, max_size=6))
def test_nothing_older_than_the_newest_delete_is_kept(changes: list[CatalogChange]) -> None:
    state = merged(changes)
    if state.deleted is not None:
        assert all(part.at > state.deleted for part in state.attributes.values())
        assert state.image is None or state.image.at > state.deleted


def test_ranks_order_the_operations() -> None:
    assert RANKS["delete"] > RANKS["upsert"] > RANKS["patch"]
