"""What became of a change, read from the item's merged state, its vectors and the refusals."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_router.change_fate import Outcome, Written, fate_of
from query_router.change_log import Position
from query_router.reject_view import RejectView, SeenReject
from schemas.changes import CatalogChange, encode_change
from schemas.item_state import ItemState, Origin, apply_change, encode_state
from schemas.item_trace import ItemTrace
from schemas.rejects import Reject, RejectOrigin

PARTITION = 4
PICTURE = ("file:///1.png",)


class Log:
    """Changes as the router writes them and the merge agent takes them."""

    def __init__(self) -> None:
        self.state: ItemState | None = None
        self.offset = 10

    def write(self, op: Any, merge: bool = True, **fields: Any) -> Written:
        self.offset += 1
        change = CatalogChange(**{"op": op, "item_id": "a", "time_us": self.offset, **fields})
        assert change.time_us is not None
        if merge:
            self.state = apply_change(self.state, change, Origin(PARTITION, self.offset, 0))
        return Written(change, Position(PARTITION, self.offset), change.time_us)

    def trace(self, embedded: bool = True) -> ItemTrace:
        """As a shard has it once all of it is applied, with or without the newest vectors."""
        state = self.state
        if state is None:
            return ItemTrace(item_id="a")
        image_at = state.image.at if state.image is not None and state.image.refs and embedded else None
        return ItemTrace(
            item_id="a", state=encode_state(state), image_at=image_at, findable=state.live and image_at is not None
        )

    def refused(self, ref: str = PICTURE[0]) -> SeenReject:
        """The refusal of a picture as the embed agent writes it."""
        assert self.state is not None
        assert self.state.image is not None
        at, refs = self.state.image.at, self.state.image.refs
        original = encode_change(
            CatalogChange(op="upsert", item_id="a", images=refs, version=at.version, time_us=at.time_us)
        )
        view = RejectView()
        view.add(
            Reject(
                reason="image_blank",
                message="blank",
                origin=RejectOrigin("items.state", PARTITION, 3, 5),
                item_id="a",
                original=original.decode(),
                details={"image": ref},
            )
        )
        (seen,) = view.of("a")
        return seen


def test_each_stage_of_an_upsert() -> None:
    log = Log()
    written = log.write("upsert", merge=False, images=PICTURE)
    assert fate_of(written, log.trace(), []).outcome is Outcome.PENDING
    written = log.write("upsert", images=PICTURE, attributes={"a": 1})
    assert fate_of(written, log.trace(embedded=False), []).outcome is Outcome.PENDING
    shown = fate_of(written, log.trace(), [])
    assert (shown.outcome, shown.version, shown.current) == (Outcome.SHOWN, 0, 0)


def test_change_without_a_version_learns_the_items() -> None:
    log = Log()
    log.write("upsert", images=PICTURE, version=7)
    assert fate_of(log.write("patch", attributes={"a": 1}), log.trace(), []).version == 7
    assert fate_of(log.write("delete"), log.trace(), []).version == 7


@pytest.mark.parametrize(
    ("op", "fields", "lost"),
    [
        ("upsert", {"images": PICTURE}, ("image",)),
        ("upsert", {"attributes": {"a": 2}}, ("attributes.a",)),
        ("upsert", {"attributes": {}}, ("attributes",)),
        ("patch", {"attributes": {"a": 2, "b": 3}}, ("attributes.a", "attributes.b")),
        ("delete", {}, ("delete",)),
    ],
)
def test_older_version_loses(op: str, fields: dict[str, Any], lost: tuple[str, ...]) -> None:
    log = Log()
    log.write("upsert", images=PICTURE, attributes={"a": 1}, version=5)
    fate = fate_of(log.write(op, version=4, **fields), log.trace(), [])
    assert (fate.outcome, fate.lost, fate.current) == (Outcome.SUPERSEDED, lost, 5)


def test_part_that_nothing_newer_has_set_is_shown() -> None:
    log = Log()
    log.write("upsert", images=PICTURE, version=1)
    log.write("patch", attributes={"a": 1}, version=5)
    assert fate_of(log.write("upsert", images=("file:///2.png",), version=3), log.trace(), []).outcome is Outcome.SHOWN
    assert fate_of(log.write("patch", attributes={"b": 1}, version=4), log.trace(), []).outcome is Outcome.SHOWN


def test_change_overtaken_before_it_was_looked_at() -> None:
    log = Log()
    first = log.write("upsert", images=PICTURE)
    log.write("upsert", images=("file:///2.png",))
    assert fate_of(first, log.trace(), []).outcome is Outcome.SUPERSEDED
    log.write("delete")
    assert fate_of(first, log.trace(), []).lost == ("upsert",)


def test_refusals() -> None:
    log = Log()
    written = log.write("upsert", images=(*PICTURE, "file:///2.png"))
    one, other = log.refused(), log.refused("file:///2.png")
    assert fate_of(written, log.trace(embedded=False), [one]).outcome is Outcome.PENDING
    assert fate_of(written, log.trace(embedded=False), [one, other]).outcome is Outcome.REJECTED
    assert fate_of(written, log.trace(), [one]).rejects == (one,)
    patch = log.write("patch", attributes={"a": 1})
    assert fate_of(patch, log.trace(embedded=False), [one, other]).outcome is Outcome.UNSEEN
    unmerged = log.write("upsert", merge=False)
    its_own = one._replace(partition=unmerged.position.partition, offset=unmerged.position.offset)
    assert fate_of(unmerged, log.trace(), [its_own]).outcome is Outcome.REJECTED


def test_refusal_of_an_earlier_picture_is_not_of_this_one() -> None:
    log = Log()
    log.write("upsert", images=PICTURE)
    earlier = log.refused()
    written = log.write("upsert", images=("file:///2.png",))
    assert fate_of(written, log.trace(embedded=False), [earlier]).outcome is Outcome.PENDING


def test_what_nothing_shows() -> None:
    log = Log()
    assert fate_of(log.write("patch", attributes={"a": 1}), log.trace(), []).outcome is Outcome.UNSEEN
    assert fate_of(log.write("upsert", attributes={"a": 1}), log.trace(), []).outcome is Outcome.UNSEEN
    assert fate_of(log.write("upsert", images=()), log.trace(), []).outcome is Outcome.UNSEEN


changes = st.lists(
    st.tuples(
        st.sampled_from(["upsert", "patch", "delete"]),
        st.none() | st.integers(0, 3),
        st.none() | st.dictionaries(st.sampled_from("ab"), st.integers(0, 2)),
        st.none() | st.sampled_from([(), PICTURE, ("file:///2.png",)]),
    ),
    min_size=1,
    max_size=6,
)


@given(changes)
def test_every_merged_change_is_decided_and_the_last_unversioned_one_never_loses(steps: list[tuple[Any, ...]]) -> None:
    log = Log()
    written = []
    for op, version, attributes, images in steps:
        fields: dict[str, Any] = {"version": version}
        if op != "delete":
            fields["attributes"] = (attributes or {}) if op == "patch" else attributes
        if op == "upsert":
            fields["images"] = images
        written.append(log.write(op, **fields))
    trace = log.trace()
    fates = [fate_of(one, trace, []).outcome for one in written]
    assert Outcome.PENDING not in fates
    assert Outcome.REJECTED not in fates
    if written[-1].change.version is None:
        assert fates[-1] is not Outcome.SUPERSEDED
