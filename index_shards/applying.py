"""Applying records to a shard: what an item's state and vectors, in any order and any number of times, make of it.

States are joined (`schemas.item_state.join`), not compared by their newest stamp. A state is the join of the changes it
has seen; of two states of one item neither need contain the other (two writers after a hand-over, or a patch of an old
version to one key beside a newer one to another), and the newer stamp would then drop what only the other has seen.
The join is commutative, associative and idempotent, so every order and repetition ends in the same state, and a state
that contains the older one joins to itself.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

import msgspec
import numpy as np

from index_shards.candidates import Float32Array
from index_shards.id_map import Shown
from index_shards.item_store import ItemRecord, ItemStore
from index_shards.item_table import NO_ATTRIBUTES
from index_shards.tiers import MAX_PICTURES, Tiers
from schemas.errors import Busy
from schemas.item_state import ItemState, Stamp, decode_state, encode_state, join
from schemas.live import LiveKind
from schemas.vector_record import VectorRecord

UNIT_LENGTH_WITHIN = 0.01


class Outcome(Enum):
    """What became of a record."""

    CHANGED = "changed"
    REPEATED = "repeated"  # it was applied before
    STALE = "stale"  # something newer was applied before
    FOREIGN = "foreign"  # of another embedding space: refused
    UNUSABLE = "unusable"  # vectors that are not finite unit vectors, or too many: refused


class Applied(NamedTuple):
    """The outcome; where searches show a difference, also the microseconds from the event until they did, at
    `searchable_us` since the epoch, and which kind of difference a person would see."""

    outcome: Outcome
    delay_us: int | None = None
    searchable_us: int = 0
    kind: LiveKind | None = None


def can_be_found(state: ItemState | None, record: ItemRecord) -> bool:
    """Whether the item is live, and its pictures are newer than its last delete."""
    if state is None or not state.live or not record.ordinals or record.image_at is None:
        return False
    return state.deleted is None or record.image_at > state.deleted


def shown_of(record: ItemRecord, state: ItemState | None, values: dict[str, Any]) -> Shown:
    """What searches see of an item with this record, whose state has these attributes."""
    attributes = msgspec.json.encode(values) if values else NO_ATTRIBUTES
    return Shown(record.ordinals, attributes, can_be_found(state, record))


class _Change(NamedTuple):
    """What became of an item's record, and what has to follow from it."""

    record: ItemRecord
    shown: Shown
    was_findable: bool
    old_attributes: bytes | None
    forgotten: list[int]
    now_us: int


class Applier:
    """The only one who changes items; used by one thread.

    `clock_us` gives microseconds since the epoch.
    """

    def __init__(self, tiers: Tiers, store: ItemStore, clock_us: Callable[[], int], newest_event_us: int = 0) -> None:
        self.tiers, self.store = tiers, store
        self.newest_event_us = newest_event_us
        self._clock_us = clock_us
        self._last_state: tuple[bytes, ItemState | None] = (b"", None)

    def apply_state(self, state: ItemState) -> Applied:
        """Join an item's state to what is known of it."""
        before = record = self.store.get(state.item_id)
        known = self._state_of(record)
        merged = state if known is None else join(known, state)
        if known is not None and _bare(merged) == _bare(known):
            if merged.origins != known.origins:
                self.store.put(state.item_id, _replace(record, state=self._encoded(merged)))
            return Applied(Outcome.REPEATED if _bare(state) == _bare(known) else Outcome.STALE)
        newest = merged.newest
        record = _replace(record, state=self._encoded(merged), event_us=0 if newest is None else newest.time_us)
        if merged.deleted is not None and record.image_at is not None and record.image_at < merged.deleted:
            record = _replace(record, ordinals=(), fingerprints=())
        return self._settle(state.item_id, before, record, merged)

    def apply_vectors(self, item_id: str, vectors: VectorRecord) -> Applied:
        """Put newer vectors in the place of an item's older ones; a marker without vectors takes them away.

        Raises:
            Busy: the fresh buffer has no room for them; nothing has changed.
        """
        matrix = vectors.matrix()
        refused = self._refusal(vectors, matrix)
        if refused is not None:
            return Applied(refused)
        before = self.store.get(item_id)
        state = self._state_of(before)
        if before.image_at is not None and vectors.image_at <= before.image_at:
            if vectors.image_at < before.image_at:
                return Applied(Outcome.STALE)
            # Of several pictures, some may have been fetched later than the others.
            if len(set(vectors.fingerprints)) <= len(before.fingerprints) or not before.ordinals:
                return Applied(Outcome.REPEATED)
        if state is not None and state.deleted is not None and vectors.image_at < state.deleted:
            return Applied(Outcome.STALE)
        rows = dict(zip(vectors.fingerprints, matrix, strict=True))
        with self.tiers.lock:
            if self.tiers.buffer.room < len(rows):
                raise Busy("the fresh buffer is full", capacity=self.tiers.buffer.capacity)
            # A search sees either the pictures of before or these: none may look while these are there but hidden.
            ordinals = tuple(self._picture(fingerprint, row) for fingerprint, row in rows.items())
            record = _replace(before, image_at=vectors.image_at, ordinals=ordinals, fingerprints=tuple(rows))
            shown = self._show(item_id, before, record, state)
        return self._keep_up(shown, before, state, vectors.times.event_us)

    def forget_state(self, item_id: str, as_of: Stamp | None = None) -> Applied:
        """A null among the states: everything the state knew of is long deleted, pictures included.

        Pictures newer than that belong to an upsert whose state is still to come, and stay; so does a state newer than
        `as_of`, which the null does not speak of.
        """
        before = record = self.store.get(item_id)
        state = self._state_of(record)
        if state is None:
            return Applied(Outcome.REPEATED)
        if as_of is not None and state.newest is not None and state.newest > as_of:
            return Applied(Outcome.STALE)
        record = _replace(record, state=None, event_us=0)
        if state.newest is not None and record.image_at is not None and record.image_at <= state.newest:
            record = _replace(record, image_at=None, ordinals=(), fingerprints=())
        return self._settle(item_id, before, record, None)

    def forget_vectors(self, item_id: str, as_of: Stamp | None = None) -> Applied:
        """A null among the vectors: the item has no pictures, but for those newer than `as_of`."""
        before = self.store.get(item_id)
        if before.image_at is None:
            return Applied(Outcome.REPEATED)
        if as_of is not None and before.image_at > as_of:
            return Applied(Outcome.STALE)
        record = _replace(before, image_at=None, ordinals=(), fingerprints=())
        return self._settle(item_id, before, record, self._state_of(before))

    def _settle(self, item_id: str, before: ItemRecord, record: ItemRecord, state: ItemState | None) -> Applied:
        """Show the item as it is now, and keep its record."""
        if not (before.ordinals or record.ordinals):
            # Nothing to be found by, before or now.
            self.newest_event_us = max(self.newest_event_us, record.event_us)
            self.store.put(item_id, record)
            self.store.write_if_full()
            return Applied(Outcome.CHANGED)
        with self.tiers.lock:
            shown = self._show(item_id, before, record, state)
        return self._keep_up(shown, before, state)

    def _show(self, item_id: str, before: ItemRecord, record: ItemRecord, state: ItemState | None) -> _Change:
        """Let searches see the item as this record has it; the lock is held."""
        items, number = self.tiers.id_map.items, before.number
        shown = shown_of(record, state, {} if state is None else state.values())
        was_findable = number >= 0 and bool(items.findable.values[number])
        old_attributes = items.attributes[number] if was_findable else None
        if not shown.ordinals:
            forgotten = self.tiers.remove(number, before.ordinals) if number >= 0 else []
            number = -1
        else:
            number = items.create(item_id) if number < 0 else number
            forgotten = self.tiers.show(number, before.ordinals, shown)
        now_us = self._clock_us()
        record = _replace(record, number=number, searchable_us=now_us if shown.findable else 0)
        self.store.put(item_id, record)
        return _Change(record, shown, was_findable, old_attributes, forgotten, now_us)

    def _keep_up(self, change: _Change, before: ItemRecord, state: ItemState | None, event_us: int = 0) -> Applied:
        """What no search has to wait for; `event_us` is the change's own, 0: the state's newest."""
        record, shown = change.record, change.shown
        self.newest_event_us = max(self.newest_event_us, record.event_us)
        for ordinal, fingerprint in zip(before.ordinals, before.fingerprints, strict=True):
            if ordinal in change.forgotten:
                self.store.put_picture(fingerprint, None)
        if shown.findable and state is not None and shown.attributes != change.old_attributes:
            self.tiers.attributes.set(record.number, state.values())
        elif change.was_findable and not shown.findable:
            self.tiers.attributes.set(before.number, None)
        self.store.write_if_full()
        since_us = event_us or record.event_us
        seen = shown.findable or change.was_findable
        if not (seen and since_us):
            return Applied(Outcome.CHANGED)
        return Applied(Outcome.CHANGED, change.now_us - since_us, change.now_us, _kind_of(change, before))

    def _picture(self, fingerprint: bytes, vector: Float32Array) -> int:
        """The ordinal of the picture with this fingerprint, put into the buffer if it is new; the lock is held."""
        known = self.store.picture(fingerprint)
        if known is None:
            known = self.tiers.new_picture(vector)
            self.store.put_picture(fingerprint, known)
        return known

    def _state_of(self, record: ItemRecord) -> ItemState | None:
        """The record's state, decoded; seldom anew where its item's other half was applied just before."""
        if record.state is None:
            return None
        bytes_, state = self._last_state
        return state if bytes_ is record.state and state is not None else decode_state(record.state)

    def _encoded(self, state: ItemState) -> bytes:
        encoded = encode_state(state)
        self._last_state = (encoded, state)
        return encoded

    def _refusal(self, vectors: VectorRecord, matrix: Float32Array) -> Outcome | None:
        generation = self.tiers.generation
        if vectors.model != generation.fingerprint:
            return Outcome.FOREIGN
        if vectors.is_delete:
            return None
        if vectors.dimension != generation.dimension:
            return Outcome.FOREIGN
        lengths = np.sqrt(np.einsum("ij,ij->i", matrix, matrix))
        usable = len(lengths) <= MAX_PICTURES and all(abs(n - 1.0) < UNIT_LENGTH_WITHIN for n in lengths.tolist())
        return None if usable else Outcome.UNUSABLE


def _kind_of(change: _Change, before: ItemRecord) -> LiveKind | None:
    """What is new about an item that is or was found; None: nothing that shows."""
    if not change.shown.findable:
        return "deleted"
    if not change.was_findable:
        return "new"
    if change.record.image_at != before.image_at:
        return "picture"
    return "attributes" if change.shown.attributes != change.old_attributes else None


def _bare(state: ItemState) -> ItemState:
    """The state without its origins, which no search shows."""
    return msgspec.structs.replace(state, origins={})


def _replace(record: ItemRecord, **fields: object) -> ItemRecord:
    return msgspec.structs.replace(record, **fields)
