"""One shard: two tiers that are changed while they are searched, the items behind them, and their snapshots.

One thread applies (item states, vectors, nulls, snapshots), one may drain and compact, any number search. Nothing here
knows of Kafka or HTTP; the clock is passed in.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from index_shards.applying import Applied, Applier, can_be_found
from index_shards.compaction import Compaction, compact, is_due
from index_shards.disk_troubles import DiskTroubles
from index_shards.draining import Draining
from index_shards.item_store import ItemStore, Offsets
from index_shards.item_views import item_trace, stored_item
from index_shards.restoring import ORIGINALS, load_snapshot, write_snapshot
from index_shards.searcher import Found, Query, search
from index_shards.shard_counts import ShardCounts, counts_of
from index_shards.shard_state import ShardState, may_follow
from index_shards.snapshot import Identity, Snapshot, SnapshotFolder
from index_shards.tiers import MAX_PICTURES, Tiers
from schemas.cluster import Generation
from schemas.errors import LogError, NotReady, UnknownItem
from schemas.item_state import ItemState, Stamp, decode_state
from schemas.item_trace import ItemTrace
from schemas.queries import StoredItem
from schemas.settings import IndexSettings
from schemas.vector_record import VectorRecord

# Vectors added under one holding of the graph's lock: while it is searched, and while nobody searches it.
SLICE, BULK_SLICE = 2, 256


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
        self._state = ShardState.EMPTY
        self.number = identity.shard
        self._failure: str | None = None
        self.snapshot_us = 0
        # For those who look on: records applied, whether a snapshot is being written, the share of one that was read.
        self.applied = 0
        self.snapshotting = False
        self.restored_share: float | None = None
        self._clock_us = clock_us
        self._index = index
        self._work = folder / "work"
        self._snapshots = SnapshotFolder(folder / "snapshots", identity, index.snapshots_kept)
        self._draining = Draining(clock_us)
        self._disk = DiskTroubles()
        self._tiers: Tiers | None = None
        self._applier: Applier | None = None

    # --- life

    @property
    def state(self) -> ShardState:
        """What it is doing; it compacts while a graph is being built beside the one that is searched."""
        tiers = self._tiers
        compacts = self._state is ShardState.SERVING and tiers is not None and tiers.building is not None
        return ShardState.COMPACTING if compacts else self._state

    @property
    def error(self) -> str | None:
        """Why it failed, or what it cannot do just now."""
        return self._failure or self._draining.error or self._disk.error

    def open(self, use_snapshots: bool = True) -> Offsets | None:
        """Restore the newest whole snapshot; the offsets to replay from, None when the shard starts empty.

        Raises:
            DiskFailed: the disk is full or read-only; it may be called again.
        """
        self._enter(ShardState.RESTORING)
        with self._disk.working("opening"):
            return self._open(use_snapshots)

    def _open(self, use_snapshots: bool) -> Offsets | None:
        self._release()
        shutil.rmtree(self._work.with_name(ORIGINALS), ignore_errors=True)
        oldest_us = self._clock_us() - int(self._index.delete_retention_s * 1e6)
        for snapshot in self._snapshots.whole(oldest_us) if use_snapshots else ():
            if self._load(snapshot):
                self._enter(ShardState.REPLAYING)
                return snapshot.manifest.offsets
        shutil.rmtree(self._work, ignore_errors=True)
        tiers = Tiers(self.generation, self._index.buffer_capacity, self._work.with_name(ORIGINALS))
        self._begin(tiers, ItemStore(self._work), newest_event_us=0)
        self._enter(ShardState.REPLAYING)
        return None

    def serve(self) -> None:
        """Everything the log held at the start is applied: searches are answered from now on."""
        self._enter(ShardState.SERVING)

    def fail(self, error: str) -> None:
        """Stop answering; `error` says why."""
        if self._state is not ShardState.RETIRING:
            self._failure = error
            self._state = ShardState.FAILED

    def close(self) -> None:
        """Stop answering and give the folder back; nothing may be applied afterwards."""
        self._state = ShardState.RETIRING
        self._release()

    # --- changing

    def apply_state(self, state: ItemState) -> Applied:
        """Take an item's merged state; raises as `_changing`, as do all that change something."""
        return self._counted(self._changing().apply_state(state))

    def apply_vectors(self, item_id: str, record: VectorRecord) -> Applied:
        """Take an item's vectors.

        Raises:
            Busy: the fresh buffer has no room; draining makes some.
        """
        return self._counted(self._changing().apply_vectors(item_id, record))

    def forget_state(self, item_id: str, as_of: Stamp | None = None) -> Applied:
        """A null in `items.state`: the item's delete was long ago, and what it had as of this stamp is forgotten."""
        return self._counted(self._changing().forget_state(item_id, as_of))

    def forget_vectors(self, item_id: str, as_of: Stamp | None = None) -> Applied:
        """A null in the vectors' topic: the item has no pictures any more, but for those newer than this stamp."""
        return self._counted(self._changing().forget_vectors(item_id, as_of))

    # --- moving vectors from tier to tier

    @property
    def wants_drain(self) -> bool:
        """Whether the buffer is fuller than it should be."""
        tiers = self._tiers
        return tiers is not None and self.buffered > min(self._index.buffer_drain, tiers.buffer.capacity - MAX_PICTURES)

    @property
    def buffered(self) -> int:
        """How many vectors are in the buffer for `drain` to move; 0 while it would move none."""
        tiers = self._tiers
        return 0 if tiers is None else self._draining.movable(tiers)

    def drain(self, flush: bool = False) -> int:
        """Move one slice of the oldest vectors into the graph; how many. Slices are larger while nobody searches.

        None move while they are too few to learn codes from, unless `flush` says that they shall, nor for a while after
        the disk was full or failed, which `error` says then.
        """
        tiers = self._tiers
        if tiers is None:
            return 0
        return self._draining.move(tiers, SLICE if self._state.answers else BULK_SLICE, flush)

    def compact_if_due(self, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Rebuild the graph without its dead, in one go, where `begin_compaction` would; whether that was done."""
        tiers = self._tiers
        return tiers is not None and is_due(tiers, self._index.compaction_dead_share) and compact(tiers, stopped)

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
            NotReady: the shard does not serve, or its disk fails.
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
                return stored_item(record, state, vectors)
            # Its pictures were replaced since the record was read.

    def trace(self, item_id: str) -> ItemTrace:
        """What has been applied of an item, whether it can be found or not.

        Raises:
            NotReady: the shard does not serve.
        """
        self._serving()
        return item_trace(item_id, self._opened().store.get(item_id))

    def counts(self) -> ShardCounts:
        """How full it is."""
        return counts_of(self._applier)

    # --- snapshots

    def snapshot(self, offsets: Offsets) -> Snapshot:
        """Write everything applied up to these offsets; the caller is the applying thread, so nothing moves meanwhile.

        Searches go on; draining waits. One that fails leaves nothing behind.

        Raises:
            DiskFailed: the disk is full or read-only.
        """
        applier = self._opened()
        self.snapshotting = True
        try:
            created_us = self._clock_us()
            with self._disk.working("snapshot"), self._snapshots.aside(self.counts().size_bytes) as aside:
                with applier.tiers.drain_lock:
                    write_snapshot(aside, applier.tiers, applier.store, offsets)
                newest_event_us = applier.newest_event_us
                snapshot = self._snapshots.finish(
                    aside, offsets=offsets, newest_event_us=newest_event_us, created_us=created_us
                )
        finally:
            self.snapshotting = False
        self.snapshot_us = snapshot.manifest.created_us
        return snapshot

    # --- inside

    def _enter(self, state: ShardState) -> None:
        if not may_follow(self._state, state):
            raise LogError(f"a shard that is {self._state.value} cannot become {state.value}")
        self._state = state

    def _load(self, snapshot: Snapshot) -> bool:
        """Whether this snapshot could be taken; one that could not has left nothing behind."""
        shutil.rmtree(self._work, ignore_errors=True)
        loaded = load_snapshot(snapshot, self.generation, self._index.buffer_capacity, self._work, self._note_restored)
        self.restored_share = None
        if loaded is not None:
            self._begin(*loaded, snapshot.manifest.newest_event_us)
            self.snapshot_us = snapshot.manifest.created_us
        return loaded is not None

    def _note_restored(self, share: float) -> None:
        self.restored_share = share

    def _counted(self, applied: Applied) -> Applied:
        self.applied += 1
        return applied

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

    def _changing(self) -> Applier:
        """Raises DiskFailed while the disk is full or read-only, and Busy while the item store holds writes back."""
        applier = self._opened()
        if applier.store.full:
            with self._disk.working("applying"):
                applier.store.make_room()
        return applier

    def _serving(self) -> Tiers:
        tiers = self._tiers
        if not self._state.answers or tiers is None:
            raise NotReady(f"the shard is {self._state.value}" + (f": {self._failure}" if self._failure else ""))
        return tiers
