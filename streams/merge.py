"""The merge handler: one raw change, and what follows from it. Knows neither Faust nor Kafka's clients."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from embedder.fetch import decode_data_url
from schemas.changes import CatalogChange, check_item_id, decode_change, encode_change
from schemas.errors import ChangeRejected, ImageRejected, LookaliveError
from schemas.item_state import (
    ItemState,
    Origin,
    apply_change,
    ask_for_pictures,
    decode_state,
    encode_state,
    reapply_change,
)
from schemas.rejects import RejectOrigin
from schemas.topics import CHANGES, partition_of
from streams.delete_markers import is_marker
from streams.origin import ChangeRecord, forwarded_origin, origin_header
from streams.reject_rows import RejectRow, reject_row
from streams.replays import Replay, replay_of

MAX_STATE_BYTES = 512 * 1024
DATA_SCHEME = "data:"

Decode = Callable[[bytes | None, bytes | None], CatalogChange]
"""From a record's value and key to the change; raises ChangeRejected."""


class Incoming(NamedTuple):
    """A change that can be taken, and where it was first written.

    `rewritten` when pictures were taken out of it; `rejects` are of those that were none; `replay` says that it is
    sent again.
    """

    record: ChangeRecord
    change: CatalogChange
    origin: Origin
    rewritten: bool = False
    rejects: tuple[RejectRow, ...] = ()
    replay: Replay | None = None

    @property
    def brings_pictures(self) -> bool:
        """Whether pictures came inside the change and must be stored first."""
        return any(_is_data(ref) for ref in self.change.images or ())


class StateWrite(NamedTuple):
    """The item's state to be written into the item's partition.

    `replay` when the change had been applied before; `marker` when all that is left is that the item was deleted.
    """

    item_id: str
    value: bytes
    replay: bool
    marker: bool = False


class Forward(NamedTuple):
    """The change as it is sent on, once, to its item's partition."""

    item_id: str
    value: bytes | None
    partition: int
    origin: Origin
    replay: Replay | None = None

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """The origin, and that it is a replay where it is one."""
        replayed = [] if self.replay is None else [self.replay._replace(forwarded=True).header()]
        return [origin_header(self.origin), *replayed]


class Merged(NamedTuple):
    """Everything that follows from one record; it may be acknowledged when all of it is written."""

    op: str
    write: StateWrite | None = None
    forward: Forward | None = None
    rejects: tuple[RejectRow, ...] = ()

    @property
    def outcome(self) -> str:
        """One word for the metrics."""
        if self.write is not None:
            return "replayed" if self.write.replay else "applied"
        return "rejected" if self.forward is None else "forwarded"


class MergeHandler:
    """Takes raw changes in three steps, so that a caller can do the slow middle one elsewhere.

    read()           decode and validate: an `Incoming`, or the reject
    keep_pictures()  blocking; only for `data:` pictures: into the image store
    settle()         merge into the item's state, or send on to the item's partition
    """

    def __init__(
        self,
        partitions: int,
        put_pictures: Callable[[Sequence[bytes]], list[str]],
        max_image_bytes: int,
        decode: Decode = decode_change,
    ) -> None:
        self._decode = decode
        self._partitions = partitions
        self._put_pictures = put_pictures
        self._max_image_bytes = max_image_bytes

    def handle(self, record: ChangeRecord, state: Callable[[str], bytes | None]) -> Merged:
        """All three steps; `state` gives the item's encoded state, or None."""
        incoming = self.read(record)
        if isinstance(incoming, Merged):
            return incoming
        if incoming.brings_pictures:
            (incoming,) = self.keep_pictures([incoming])
        if self.misplaced(incoming):
            return self.send_on(incoming)
        return self.settle(incoming, state(incoming.change.item_id))

    def read(self, record: ChangeRecord) -> Incoming | Merged:
        """Decode one record; what cannot be taken is a `Merged` with nothing but its reject."""
        own = Origin(record.partition, record.offset, record.time_us)
        forwarded, replay = forwarded_origin(record.headers), replay_of(record.headers)
        origin = own if forwarded is None else forwarded
        try:
            change = self._decode(record.value, record.key)
        except ChangeRejected as error:
            return Merged("unknown", rejects=(self._row(error, record, origin, _item_id_of(record.key)),))
        incoming = Incoming(record, change, origin, replay=replay)
        if forwarded is None or (replay is not None and not replay.forwarded):
            return incoming
        if self.misplaced(incoming):
            misled = ChangeRejected(
                f"the change was forwarded to partition {record.partition} of {self._partitions}, where its item does "
                "not belong: it comes from an installation of another partition count",
                code="bad_schema",
            )
            return Merged(change.op, rejects=(self._row(misled, record, origin, change.item_id),))
        return incoming

    def misplaced(self, incoming: Incoming) -> bool:
        """Whether the record lies in another partition than its item's."""
        return incoming.record.partition != partition_of(incoming.change.item_id, self._partitions)

    def keep_pictures(self, changes: Sequence[Incoming]) -> list[Incoming]:
        """Put the `data:` pictures of these changes into the image store, all at once, and name them by reference.

        A picture that is no picture is rejected and left out, and the rest of the change holds: a shop expects the new
        price even when a photo is broken. When none is left the item keeps the pictures it has.
        """
        found = [self._pictures(incoming) for incoming in changes]
        kept = iter(self._put_pictures([p for pictures, _ in found for p in pictures if isinstance(p, bytes)]))
        done: list[Incoming] = []
        for incoming, (pictures, rejects) in zip(changes, found, strict=True):
            refs = tuple(next(kept) if isinstance(picture, bytes) else picture for picture in pictures)
            change = msgspec.structs.replace(incoming.change, images=refs or None)
            done.append(incoming._replace(change=change, rewritten=True, rejects=tuple(rejects)))
        return done

    def _pictures(self, incoming: Incoming) -> tuple[list[str | bytes], list[RejectRow]]:
        """References as they are, the bytes of pictures that came inside, and the rejects of those that are none."""
        pictures: list[str | bytes] = []
        rejects: list[RejectRow] = []
        for ref in incoming.change.images or ():
            try:
                pictures.append(decode_data_url(ref, self._max_image_bytes) if _is_data(ref) else ref)
            except ImageRejected as error:
                rejects.append(self._row(error, incoming.record, incoming.origin, incoming.change.item_id))
        return pictures, rejects

    def send_on(self, incoming: Incoming) -> Merged:
        """The change as a record of its item's partition: the same bytes, unless pictures were taken out of it."""
        change = incoming.change
        item_id = change.item_id
        value = encode_change(change) if incoming.rewritten else incoming.record.value
        forward = Forward(item_id, value, partition_of(item_id, self._partitions), incoming.origin, incoming.replay)
        return Merged(change.op, forward=forward, rejects=incoming.rejects)

    def settle(self, incoming: Incoming, held: bytes | None) -> Merged:
        """Merge the change into the item's state, which is written even when nothing changed: a crash between this
        write and its acknowledgement is mended by doing it again.
        """
        change = incoming.change
        before = None if held is None else decode_state(held)
        after = self._after(before, incoming)
        if after is before:
            assert held is not None
            write = StateWrite(change.item_id, held, replay=True, marker=is_marker(after))
            return Merged(change.op, write, rejects=incoming.rejects)
        value = encode_state(after)
        if len(value) > MAX_STATE_BYTES:
            error = ChangeRejected(
                f"the item's state would have {len(value)} bytes; {MAX_STATE_BYTES} are allowed",
                code="bad_schema",
                size_bytes=len(value),
            )
            row = self._row(error, incoming.record, incoming.origin, change.item_id)
            return Merged(change.op, rejects=(*incoming.rejects, row))
        write = StateWrite(change.item_id, value, replay=False, marker=is_marker(after))
        return Merged(change.op, write, rejects=incoming.rejects)

    def _after(self, before: ItemState | None, incoming: Incoming) -> ItemState:
        match None if incoming.replay is None else incoming.replay.kind:
            case "rejected":
                return reapply_change(before, incoming.change, incoming.origin)
            case "range" if incoming.origin.offset > _applied(before, incoming.origin):
                return reapply_change(before, incoming.change, incoming.origin)
            case "pictures":
                return ask_for_pictures(before, incoming.change, incoming.origin)
            case _:
                return apply_change(before, incoming.change, incoming.origin)

    def _row(self, error: LookaliveError, record: ChangeRecord, origin: Origin, item_id: str | None) -> RejectRow:
        partition = record.partition if item_id is None else partition_of(item_id, self._partitions)
        replay = replay_of(record.headers)
        attempt = 1 if replay is None else replay.attempt
        return reject_row(error, RejectOrigin(CHANGES, *origin), item_id, record.value, partition, attempt)


def _applied(state: ItemState | None, origin: Origin) -> int:
    """The offset of the last change applied of the origin's partition, -1 before the first."""
    return -1 if state is None else state.origins.get(origin.partition, -1)


def _is_data(ref: str) -> bool:
    return ref[: len(DATA_SCHEME)].lower() == DATA_SCHEME


def _item_id_of(key: bytes | None) -> str | None:
    """The key of an unreadable change, where it could be an item's."""
    try:
        return None if key is None else check_item_id(key.decode(), canary=True)
    except (ChangeRejected, UnicodeDecodeError):
        return None
