"""The merged state of one item, and the merge: which of two changes wins, part by part.

Every part of a state carries the stamp of the change that set it. A stamp is (version, time, origin offset, rank), and
the larger stamp wins; the rank breaks the last tie (delete > upsert > patch), and after it the value's bytes. Merging
is then the join of a semilattice: commutative, associative and idempotent, so that order, repetition and disorder of
delivery do not matter once versions are resolved. The layout follows last-writer-wins registers and observed-remove
maps (Shapiro et al., "A comprehensive study of convergent and commutative replicated data types", 2011).
"""

from typing import Any, NamedTuple

import msgspec

from schemas.changes import CatalogChange

RANKS = {"patch": 0, "upsert": 1, "delete": 2}


class Stamp(NamedTuple):
    """When a part was set, in the order of winning: version, then microseconds, then origin offset, then rank."""

    version: int
    time_us: int
    offset: int
    rank: int


class ImagePart(msgspec.Struct, frozen=True, array_like=True):
    """References to an item's pictures, and the stamp of the upsert that brought them."""

    at: Stamp
    refs: tuple[str, ...]


class AttributePart(msgspec.Struct, frozen=True, array_like=True):
    """The value of one attribute, and the stamp of the change that set it."""

    at: Stamp
    value: Any


class ItemState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is known of one item; the value of `items.state`.

    `replaced` is the stamp of the newest upsert that carried attributes: keys older than it are gone. `origins` holds,
    per source partition, the offset of the last change applied, so that a replay is known as one.
    """

    item_id: str
    upserted: Stamp | None = None
    deleted: Stamp | None = None
    replaced: Stamp | None = None
    image: ImagePart | None = None
    attributes: dict[str, AttributePart] = {}
    origins: dict[int, int] = {}

    @property
    def live(self) -> bool:
        """Whether the newest upsert is newer than the newest delete."""
        return self.upserted is not None and (self.deleted is None or self.upserted > self.deleted)

    @property
    def newest(self) -> Stamp | None:
        """The stamp of the newest change that left a trace."""
        return max(self.stamps(), default=None)

    def stamps(self) -> list[Stamp]:
        """The stamp of every part."""
        stamps = [s for s in (self.upserted, self.deleted, self.replaced) if s is not None]
        stamps += [part.at for part in self.attributes.values()]
        return stamps if self.image is None else [*stamps, self.image.at]

    @property
    def version(self) -> int:
        """The item's current version: the newest seen, 0 if unknown."""
        newest = self.newest
        return 0 if newest is None else newest.version

    def values(self) -> dict[str, Any]:
        """The attributes as users see them."""
        return {key: part.value for key, part in self.attributes.items()}


class Origin(NamedTuple):
    """Where a change was first written: partition and offset in `catalog.changes`, and the record's time."""

    partition: int
    offset: int
    time_us: int


_decoder = msgspec.json.Decoder(ItemState)


def decode_state(value: bytes) -> ItemState:
    """Decode a value of `items.state`; raises msgspec.DecodeError or ValidationError on anything else."""
    return _decoder.decode(value)


def encode_state(state: ItemState) -> bytes:
    """The value of `items.state` for this state."""
    return msgspec.json.encode(state)


def apply_change(state: ItemState | None, change: CatalogChange, origin: Origin) -> ItemState:
    """The state after a change; the very same state when the change is a replay.

    A change without a version takes the item's current one, and a change without a time takes its record's: resolved
    here, once, so that everything after the merge agent sees one fixed order.
    """
    before = state if state is not None else ItemState(item_id=change.item_id)
    if origin.offset <= before.origins.get(origin.partition, -1):
        return before
    version = before.version if change.version is None else change.version
    time_us = origin.time_us if change.time_us is None else change.time_us
    stamp = Stamp(version, time_us, origin.offset, RANKS[change.op])
    after = join(before, _singleton(change, stamp))
    return msgspec.structs.replace(after, origins={**before.origins, origin.partition: origin.offset})


def reapply_change(state: ItemState | None, change: CatalogChange, origin: Origin) -> ItemState:
    """The state after a change that was refused where it stood and is taken after all; the very same when it changes
    nothing.

    It gets the stamp it would have had in its place: a change without a version takes the newest one that the item had
    before it, by time and offset, not the current one, so that it never overtakes what came after it. One with a
    version beats changes without one that came after it: they had taken the version of the item as it was then.
    """
    before = state if state is not None else ItemState(item_id=change.item_id)
    time_us = origin.time_us if change.time_us is None else change.time_us
    rank = RANKS[change.op]
    version = _version_then(before, time_us, origin.offset, rank) if change.version is None else change.version
    joined = join(before, _singleton(change, Stamp(version, time_us, origin.offset, rank)))
    after = msgspec.structs.replace(joined, origins=_furthest(before.origins, {origin.partition: origin.offset}))
    return before if after == before else after


def ask_for_pictures(state: ItemState | None, change: CatalogChange, origin: Origin) -> ItemState:
    """The state in which the pictures of a change, refused by the embedder, are new again; where the item has other
    pictures by now, or is gone, only the origin is noted.
    """
    before = state if state is not None else ItemState(item_id=change.item_id)
    if origin.offset <= before.origins.get(origin.partition, -1):
        return before
    origins = {**before.origins, origin.partition: origin.offset}
    image = before.image
    if image is not None and before.live and image.refs == change.images:
        asked = (image.at.version, image.at.time_us) == (change.version, change.time_us)
        if asked:
            at = image.at._replace(offset=max(origin.offset, image.at.offset + 1))
            return msgspec.structs.replace(before, image=ImagePart(at, image.refs), origins=origins)
    return msgspec.structs.replace(before, origins=origins)


def join(left: ItemState, right: ItemState) -> ItemState:
    """The least state that contains both: the merge of DESIGN section 2 as a pure function."""
    deleted = _newer(left.deleted, right.deleted)
    replaced = _newer(left.replaced, right.replaced)
    floor = _newer(deleted, replaced)
    attributes: dict[str, AttributePart] = {}
    for part_of in (left.attributes, right.attributes):
        for key, part in part_of.items():
            if floor is not None and part.at < floor:
                continue
            held = attributes.get(key)
            if held is None or _attribute_order(part) > _attribute_order(held):
                attributes[key] = part
    images = [i for i in (left.image, right.image) if i is not None and (deleted is None or i.at > deleted)]
    return ItemState(
        item_id=left.item_id,
        upserted=_newer(left.upserted, right.upserted),
        deleted=deleted,
        replaced=replaced,
        image=max(images, key=lambda i: (i.at, i.refs), default=None),
        attributes=dict(sorted(attributes.items())),
        origins=_furthest(left.origins, right.origins),
    )


def _singleton(change: CatalogChange, stamp: Stamp) -> ItemState:
    """The state of an item that only ever saw this change."""
    attributes = {key: AttributePart(stamp, value) for key, value in (change.attributes or {}).items()}
    upsert = change.op == "upsert"
    return ItemState(
        item_id=change.item_id,
        upserted=stamp if upsert else None,
        deleted=stamp if change.op == "delete" else None,
        replaced=stamp if upsert and change.attributes is not None else None,
        image=ImagePart(stamp, change.images) if upsert and change.images is not None else None,
        attributes=attributes,
    )


def _version_then(state: ItemState, time_us: int, offset: int, rank: int) -> int:
    """The item's version when a change of this time and offset came, as far as its parts still tell."""
    stamps = state.stamps()
    own = [s.version for s in stamps if s[1:] == (time_us, offset, rank)]
    earlier = [s.version for s in stamps if s.time_us <= time_us and s.offset < offset]
    return max(own or earlier, default=min(0, state.version))


def _newer(left: Stamp | None, right: Stamp | None) -> Stamp | None:
    if left is None or right is None:
        return right if left is None else left
    return max(left, right)


def _attribute_order(part: AttributePart) -> tuple[Stamp, bytes]:
    return part.at, msgspec.json.encode(part.value, order="deterministic")


def _furthest(left: dict[int, int], right: dict[int, int]) -> dict[int, int]:
    return {p: max(left.get(p, -1), right.get(p, -1)) for p in sorted({*left, *right})}
