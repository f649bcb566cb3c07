"""What became of a change that was written, read from what a shard knows of its item and from what was refused.

    PENDING ──> SHOWN       searches show it (a delete: no longer show the item)
            ├─> SUPERSEDED  a newer change won, in whole or in part
            ├─> REJECTED    it, or every picture it brought, was refused
            └─> UNSEEN      it was taken, but nothing will show: the item has no picture, or is not live

A change that was merged is known by its stamp (time, origin offset, rank) on the parts that it set.
"""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import NamedTuple

from query_router.change_log import Position
from query_router.reject_view import SeenReject
from schemas.changes import CatalogChange
from schemas.item_state import RANKS, ImagePart, ItemState, Stamp, decode_state
from schemas.item_trace import ItemTrace


class Outcome(Enum):
    """How far a change has come."""

    PENDING = "pending"
    SHOWN = "shown"
    SUPERSEDED = "superseded"
    REJECTED = "rejected"
    UNSEEN = "unseen"


class Written(NamedTuple):
    """A change that Kafka has, where it lies, and its time in microseconds, which is also in the change."""

    change: CatalogChange
    position: Position
    time_us: int

    @property
    def rank(self) -> int:
        return RANKS[self.change.op]

    def set(self, stamp: Stamp | None) -> bool:
        """Whether this change set the part that has this stamp."""
        if stamp is None:
            return False
        return (stamp.time_us, stamp.offset, stamp.rank) == (self.time_us, self.position.offset, self.rank)


class Fate(NamedTuple):
    """The outcome; `version` is the change's own where it is known, `current` the item's, `why` a sentence.

    `lost` names the parts that something newer had already set. `rejects` are the refusals of the change itself, or of
    its pictures, of which some may nevertheless be shown.
    """

    outcome: Outcome
    version: int | None = None
    current: int | None = None
    why: str = ""
    lost: tuple[str, ...] = ()
    rejects: tuple[SeenReject, ...] = ()


def fate_of(written: Written, trace: ItemTrace, rejects: Sequence[SeenReject]) -> Fate:
    """What one replica, and the refusals seen, say of a change."""
    version = written.change.version
    refused = tuple(r for r in rejects if (r.partition, r.offset) == written.position)
    if refused:
        return Fate(Outcome.REJECTED, version, why=refused[-1].message, rejects=refused)
    state = None if trace.state is None else decode_state(trace.state)
    if state is None or state.origins.get(written.position.partition, -1) < written.position.offset:
        return Fate(Outcome.PENDING, version, why="it waits to be merged and applied")
    if version is None:
        version = next((stamp.version for stamp in state.stamps() if written.set(stamp)), None)
    fate = _merged_fate(written, state, trace, rejects)
    return fate._replace(version=version, current=state.version)


def _merged_fate(written: Written, state: ItemState, trace: ItemTrace, rejects: Sequence[SeenReject]) -> Fate:
    lost = _lost(written, state)
    if lost:
        return Fate(Outcome.SUPERSEDED, why="a newer change of the item won", lost=lost)
    if written.change.op == "delete":
        gone = not trace.findable
        return Fate(Outcome.SHOWN if gone else Outcome.PENDING, why="" if gone else "it waits to be taken away")
    if not state.live:
        return Fate(Outcome.UNSEEN, why="the item is not live: a patch is kept unseen until an upsert comes")
    if state.image is None or not state.image.refs:
        return Fate(Outcome.UNSEEN, why="the item has no picture, so it cannot be found until one comes")
    return _pictured_fate(written.change.images is not None, state.image, trace, rejects)


def _pictured_fate(brought: bool, image: ImagePart, trace: ItemTrace, rejects: Sequence[SeenReject]) -> Fate:
    """The fate of a change to a live item with pictures, which it `brought` or found there."""
    refused = refused_pictures(image, rejects)
    if trace.findable and (not brought or trace.image_at == image.at):
        return Fate(Outcome.SHOWN, rejects=refused if brought else ())
    if not all_refused(image, refused):
        return Fate(Outcome.PENDING, why="its picture waits to be embedded")
    if brought:
        return Fate(Outcome.REJECTED, why=refused[-1].message, rejects=refused)
    return Fate(Outcome.UNSEEN, why=f"the item's picture was refused: {refused[-1].message}")


def refused_pictures(image: ImagePart, rejects: Iterable[SeenReject]) -> tuple[SeenReject, ...]:
    """The refusals of an item's pictures as they are now."""
    return tuple(r for r in rejects if r.is_of(image.at))


def all_refused(image: ImagePart, refused: Sequence[SeenReject]) -> bool:
    """Whether none of the pictures is left to be embedded."""
    return len({r.image for r in refused}) >= len(set(image.refs))


def _lost(written: Written, state: ItemState) -> tuple[str, ...]:
    """The parts the change brought that it did not set, or that are gone."""
    change = written.change
    if change.op == "delete":
        return ("delete",) if state.live else ()
    keys = [key for key in change.attributes or {} if not _has_set(written, state, key)]
    lost = [f"attributes.{key}" for key in keys]
    if change.op == "patch":
        return tuple(lost)
    if not state.live:
        return ("upsert",)
    if change.images is not None and not written.set(None if state.image is None else state.image.at):
        lost.append("image")
    if change.attributes is not None and not change.attributes and not written.set(state.replaced):
        lost.append("attributes")
    return tuple(lost)


def _has_set(written: Written, state: ItemState, key: str) -> bool:
    part = state.attributes.get(key)
    return part is not None and written.set(part.at)
