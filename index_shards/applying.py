"""Applying records to a shard: what an item's state and vectors, in any order and any number of times, make of it.

States are joined (`schemas.item_state.join`), not compared by their newest stamp. A state is the join of the changes it
has seen; of two states of one item neither need contain the other (two writers after a hand-over, or a patch of an old
version to one key beside a newer one to another), and the newer stamp would then drop what only the other has seen.
The join is commutative, associative and idempotent, so every order and repetition ends in the same state, and a state
that contains the older one joins to itself.
"""

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

import msgspec
import numpy as np

from index_shards.id_map import Item
from index_shards.item_store import ItemRecord, ItemStore
from index_shards.tiers import MAX_PICTURES, Tiers
from schemas.errors import Busy
from schemas.item_state import ItemState, decode_state, encode_state, join
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
    """The outcome; where searches show a difference, also the microseconds from the event until they did."""

    outcome: Outcome
    delay_us: int | None = None


def can_be_found(state: ItemState | None, record: ItemRecord) -> bool:
    """Whether the item is live, and its pictures are newer than its last delete."""
    if state is None or not state.live or not record.ordinals or record.image_at is None:
        return False
    return state.deleted is None or record.image_at > state.deleted


def item_of(item_id: str, record: ItemRecord, state: ItemState | None, tiers: Tiers) -> Item:
    """What searches need of an item with this record; its pictures are in the id map already."""
    return Item(
        item_id,
        tuple(tiers.id_map.pictures[ordinal] for ordinal in record.ordinals),
        {} if state is None else state.values(),
        0 if state is None else state.version,
        record.event_us,
        record.searchable_us,
        can_be_found(state, record),
    )


class Applier:
    """The only one who changes items; used by one thread.

    `clock_us` gives microseconds since the epoch.
    """

    def __init__(self, tiers: Tiers, store: ItemStore, clock_us: Callable[[], int], newest_event_us: int = 0) -> None:
        self.tiers, self.store = tiers, store
        self.newest_event_us = newest_event_us
        self._clock_us = clock_us

    def apply_state(self, state: ItemState) -> Applied:
        """Join an item's state to what is known of it."""
        record = self.store.get(state.item_id)
        known = _state_of(record)
        merged = state if known is None else join(known, state)
        if known is not None and _bare(merged) == _bare(known):
            if merged.origins != known.origins:
                self.store.put(state.item_id, _replace(record, state=encode_state(merged)))
            return Applied(Outcome.REPEATED if _bare(state) == _bare(known) else Outcome.STALE)
        newest = merged.newest
        record = _replace(record, state=encode_state(merged), event_us=0 if newest is None else newest.time_us)
        if merged.deleted is not None and record.image_at is not None and record.image_at < merged.deleted:
            record = _replace(record, ordinals=(), fingerprints=())
        return self._settle(state.item_id, record, merged)

    def apply_vectors(self, item_id: str, vectors: VectorRecord) -> Applied:
        """Put newer vectors in the place of an item's older ones; a marker without vectors takes them away.

        Raises:
            Busy: the fresh buffer has no room for them; nothing has changed.
        """
        refused = self._refusal(vectors)
        if refused is not None:
            return Applied(refused)
        record = self.store.get(item_id)
        state = _state_of(record)
        if record.image_at is not None and vectors.image_at <= record.image_at:
            return Applied(Outcome.REPEATED if vectors.image_at == record.image_at else Outcome.STALE)
        if state is not None and state.deleted is not None and vectors.image_at < state.deleted:
            return Applied(Outcome.STALE)
        rows = dict(zip(vectors.fingerprints, vectors.matrix(), strict=True))
        with self.tiers.lock:
            if self.tiers.buffer.room < len(rows):
                raise Busy("the fresh buffer is full", capacity=self.tiers.buffer.capacity)
            pictures = [self.tiers.picture_of(fingerprint, row) for fingerprint, row in rows.items()]
            record = _replace(
                record,
                image_at=vectors.image_at,
                ordinals=tuple(picture.ordinal for picture in pictures),
                fingerprints=tuple(rows),
            )
            return self._settle(item_id, record, state, vectors.times.event_us)

    def forget_state(self, item_id: str) -> Applied:
        """A null among the states: everything the state knew of is long deleted, pictures included.

        Pictures newer than that belong to an upsert whose state is still to come, and stay.
        """
        record = self.store.get(item_id)
        state = _state_of(record)
        if state is None:
            return Applied(Outcome.REPEATED)
        record = _replace(record, state=None, event_us=0)
        if state.newest is not None and record.image_at is not None and record.image_at <= state.newest:
            record = _replace(record, image_at=None, ordinals=(), fingerprints=())
        return self._settle(item_id, record, None)

    def forget_vectors(self, item_id: str) -> Applied:
        """A null among the vectors: the item has no pictures."""
        record = self.store.get(item_id)
        if record.image_at is None:
            return Applied(Outcome.REPEATED)
        return self._settle(item_id, _replace(record, image_at=None, ordinals=(), fingerprints=()), _state_of(record))

    def _settle(self, item_id: str, record: ItemRecord, state: ItemState | None, event_us: int = 0) -> Applied:
        """Show the item as it is now, and keep its record; `event_us` is the change's own, 0: the state's newest."""
        self.newest_event_us = max(self.newest_event_us, record.event_us)
        findable = can_be_found(state, record)
        with self.tiers.lock:
            before = self.tiers.id_map.items.get(item_id)
            seen = findable or (before is not None and before.findable)
            now_us = self._clock_us()
            record = _replace(record, searchable_us=now_us if findable else 0)
            self.tiers.show(item_of(item_id, record, state, self.tiers))
        self.store.put(item_id, record)
        since_us = event_us or record.event_us
        delay_us = now_us - since_us if seen and since_us else None
        return Applied(Outcome.CHANGED, delay_us)

    def _refusal(self, vectors: VectorRecord) -> Outcome | None:
        generation = self.tiers.generation
        if vectors.model != generation.fingerprint:
            return Outcome.FOREIGN
        if vectors.is_delete:
            return None
        if vectors.dimension != generation.dimension:
            return Outcome.FOREIGN
        lengths = np.linalg.norm(vectors.matrix(), axis=1)
        usable = bool(np.all(np.abs(lengths - 1.0) < UNIT_LENGTH_WITHIN)) and len(lengths) <= MAX_PICTURES
        return None if usable else Outcome.UNUSABLE


def _state_of(record: ItemRecord) -> ItemState | None:
    return None if record.state is None else decode_state(record.state)


def _bare(state: ItemState) -> ItemState:
    """The state without its origins, which no search shows."""
    return msgspec.structs.replace(state, origins={})


def _replace(record: ItemRecord, **fields: object) -> ItemRecord:
    return msgspec.structs.replace(record, **fields)
