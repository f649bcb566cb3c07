"""One shard: two tiers that are changed while they are searched, the items behind them, and their snapshots.

One thread applies (item states, vectors, nulls, snapshots), one may drain and compact, any number search. Nothing here
knows of Kafka or HTTP; the clock is passed in.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from index_shards.applying import Applied, Applier, can_be_found
from index_shards.candidates import Float32Array
from index_shards.compaction import Compaction, Stage, is_due
from index_shards.item_store import ItemRecord, ItemStore, Offsets
from index_shards.restoring import load_snapshot, write_snapshot
from index_shards.searcher import Found, Query, search
from index_shards.shard_state import ShardState, may_follow
from index_shards.snapshot import Identity, Snapshot, SnapshotFolder
from index_shards.tiers import MAX_PICTURES, Tiers
from schemas.cluster import Generation
from schemas.errors import LogError, NotReady, UnknownItem
from schemas.item_state import ItemState, decode_state
from schemas.queries import StoredItem, pack_vector
from schemas.settings import IndexSettings
from schemas.vector_record import VectorRecord

# Vectors added under one holding of the graph's lock: while it is searched, and while nobody searches it.
SLICE, BULK_SLICE = 8, 256
COMPACTION_BULK_SLICE = 64


class ShardCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How much there is of what, and the newest event applied, in microseconds since the epoch."""

    items: int
    graph_vectors: int
    buffer_vectors: int
    dead_vectors: int
    size_bytes: int
    newest_event_us: int


class Shard:
    """Shard `identity.shard` of a generation, in a folder of its own.

    `clock_us` gives microseconds since the epoch.
    """

    def __init__(
        self,
        generation: Generation,
        identity: Identity,
        folder: Path,
        index: IndexSettings,
        clock_us: Callable[[], int],
    ) -> None:
        self.generation = generation
        self.state = ShardState.EMPTY
        self.number = identity.shard
        self.error: str | None = None
        self.snapshot_us = 0
        self._clock_us = clock_us
        self._index = index
        self._work = folder / "work"
        self._snapshots = SnapshotFolder(folder / "snapshots", identity, index.snapshots_kept)
        self._tiers: Tiers | None = None
        self._applier: Applier | None = None

    # --- life

    def open(self, use_snapshots: bool = True) -> Offsets | None:
        """Restore the newest whole snapshot; the offsets to replay from, None when the shard starts empty."""
        self._enter(ShardState.RESTORING)
        self._release()
        for snapshot in self._snapshots.whole() if use_snapshots else ():
            if self._load(snapshot):
                self._enter(ShardState.REPLAYING)
                return snapshot.manifest.offsets
        shutil.rmtree(self._work, ignore_errors=True)
        self._begin(Tiers(self.generation, self._index.buffer_capacity), ItemStore(self._work), newest_event_us=0)
        self._enter(ShardState.REPLAYING)
        return None

    def serve(self) -> None:
        """Everything the log held at the start is applied: searches are answered from now on."""
        self._enter(ShardState.SERVING)

    def fail(self, error: str) -> None:
        """Stop answering; `error` says why."""
        if self.state is not ShardState.RETIRING:
            self.error = error
            self.state = ShardState.FAILED

    def close(self) -> None:
        """Stop answering and give the folder back; nothing may be applied afterwards."""
        self.state = ShardState.RETIRING
        self._release()

    # --- changing

    def apply_state(self, state: ItemState) -> Applied:
        """Take an item's merged state."""
        return self._opened().apply_state(state)

    def apply_vectors(self, item_id: str, record: VectorRecord) -> Applied:
        """Take an item's vectors.

        Raises:
            Busy: the fresh buffer has no room; draining makes some.
        """
        return self._opened().apply_vectors(item_id, record)

    def forget_state(self, item_id: str) -> Applied:
        """A null in `items.state`: the item's delete was long ago, and it is forgotten."""
        return self._opened().forget_state(item_id)

    def forget_vectors(self, item_id: str) -> Applied:
        """A null in the vectors' topic: the item has no pictures any more."""
        return self._opened().forget_vectors(item_id)

    # --- moving vectors from tier to tier

    @property
    def wants_drain(self) -> bool:
        """Whether the buffer is fuller than it should be."""
        tiers = self._tiers
        if tiers is None:
            return False
        return len(tiers.buffer) > min(self._index.buffer_drain, tiers.buffer.capacity - MAX_PICTURES)

    def drain(self) -> int:
        """Move one slice of the oldest vectors into the graph; how many. Slices are larger while nobody searches."""
        tiers = self._tiers
        if tiers is None:
            return 0
        return tiers.drain(SLICE if self.state is ShardState.SERVING else BULK_SLICE)

    def compact_if_due(self, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Rebuild the graph without its dead, in one go, where `begin_compaction` would; whether that was done."""
        compaction = self.begin_compaction()
        while compaction is not None and not compaction.over:
            if stopped():
                compaction.cancel()
            else:
                compaction.step(COMPACTION_BULK_SLICE)
        return compaction is not None and compaction.stage is Stage.SWAPPED

    def begin_compaction(self) -> Compaction | None:
        """A rebuilding of the graph, to be stepped to its end, when so much of it or of what searches meet is dead."""
        tiers = self._tiers
        if tiers is None or not is_due(tiers, self._index.compaction_dead_share):
            return None
        return Compaction(tiers)

    # --- reading

    def search(self, query: Query) -> Found:
        """The best items, exactly `query.k` of them when so many can be found.

        Raises:
            NotReady: the shard does not serve.
            InputError: the query does not fit the index.
        """
        return search(self._serving(), query)

    def get(self, item_id: str) -> StoredItem:
        """An item as it can be found.

        Raises:
            NotReady: the shard does not serve.
            UnknownItem: it cannot be found.
        """
        self._serving()
        applier = self._opened()
        while True:
            record = applier.store.get(item_id)
            state = None if record.state is None else decode_state(record.state)
            if state is None or not can_be_found(state, record):
                raise UnknownItem(item_id)
            vectors = applier.tiers.vectors_of(record.ordinals)
            if vectors is not None:
                return _stored(record, state, vectors)
            # Its pictures were replaced since the record was read.

    def counts(self) -> ShardCounts:
        """How full it is."""
        tiers, applier = self._tiers, self._applier
        if tiers is None or applier is None:
            return ShardCounts(
                items=0, graph_vectors=0, buffer_vectors=0, dead_vectors=0, size_bytes=0, newest_event_us=0
            )
        graph, fresh = tiers.graph, len(tiers.buffer)
        return ShardCounts(
            items=tiers.id_map.items.findable_count,
            graph_vectors=len(graph),
            buffer_vectors=fresh,
            dead_vectors=graph.tombstones.count,
            size_bytes=graph.size_bytes + 4 * self.generation.dimension * fresh,
            newest_event_us=applier.newest_event_us,
        )

    # --- snapshots

    def snapshot(self, offsets: Offsets) -> Snapshot:
        """Write everything applied up to these offsets; the caller is the applying thread, so nothing moves meanwhile.

        Searches go on; draining waits.
        """
        applier = self._opened()
        aside = self._snapshots.begin()
        with applier.tiers.drain_lock:
            write_snapshot(aside, applier.tiers, applier.store, offsets)
        snapshot = self._snapshots.finish(
            aside,
            offsets=offsets,
            newest_event_us=applier.newest_event_us,
            created_us=self._clock_us(),
        )
        self.snapshot_us = snapshot.manifest.created_us
        return snapshot

    # --- inside

    def _enter(self, state: ShardState) -> None:
        if not may_follow(self.state, state):
            raise LogError(f"a shard that is {self.state.value} cannot become {state.value}")
        self.state = state

    def _load(self, snapshot: Snapshot) -> bool:
        """Whether this snapshot could be taken; one that could not has left nothing behind."""
        shutil.rmtree(self._work, ignore_errors=True)
        loaded = load_snapshot(snapshot, self.generation, self._index.buffer_capacity, self._work)
        if loaded is not None:
            self._begin(*loaded, snapshot.manifest.newest_event_us)
            self.snapshot_us = snapshot.manifest.created_us
        return loaded is not None

    def _begin(self, tiers: Tiers, store: ItemStore, newest_event_us: int) -> None:
        self._tiers = tiers
        self._applier = Applier(tiers, store, self._clock_us, newest_event_us)

    def _release(self) -> None:
        applier, self._applier, self._tiers = self._applier, None, None
        if applier is not None:
            applier.store.close()

    def _opened(self) -> Applier:
        if self._applier is None:
            raise NotReady(f"the shard is {self.state.value}")
        return self._applier

    def _serving(self) -> Tiers:
        tiers = self._tiers
        if self.state is not ShardState.SERVING or tiers is None:
            raise NotReady(f"the shard is {self.state.value}" + (f": {self.error}" if self.error else ""))
        return tiers


def _stored(record: ItemRecord, state: ItemState, vectors: list[Float32Array]) -> StoredItem:
    return StoredItem(
        item_id=state.item_id,
        version=state.version,
        attributes=msgspec.json.encode(state.values()),
        event_us=record.event_us,
        searchable_us=record.searchable_us,
        vectors=[pack_vector(vector) for vector in vectors],
    )
