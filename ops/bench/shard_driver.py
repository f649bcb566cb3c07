"""A shard in this process, fed as a node's follower feeds it: item states and vector records, one by one.

Items are numbered: an item's number is the row of its vector in the pool it comes from.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from index_shards.faiss_api import faiss
from index_shards.node.drainer import Drainer
from index_shards.searcher import Query
from index_shards.shard import Shard
from index_shards.snapshot import Identity
from ops.bench.vectors import Float32Array, Int64Array
from schemas.cluster import Generation
from schemas.errors import Busy
from schemas.filters import Filter
from schemas.item_state import RANKS, AttributePart, ImagePart, ItemState, Stamp
from schemas.settings import IndexSettings
from schemas.vector_record import StageTimes, VectorRecord, make_vector_record

FULL_BUFFER_WAIT_S, DRAINER_STOP_S = 0.0005, 600.0
_FINGERPRINT_BYTES = 16
_MODEL = "bench"


class Change(NamedTuple):
    """What one change of one item is in both topics."""

    number: int
    state: ItemState
    vectors: VectorRecord


class ShardDriver:
    """One shard, the numbers of the items that live in it, and how many seconds `kept` spent draining."""

    def __init__(self, folder: Path, dimension: int, index: IndexSettings) -> None:
        self.live: set[int] = set()
        self.drained_s = 0.0
        self._folder, self._index = folder, index
        self._generation = generation_of(dimension, index)
        self._version = 0
        self.shard = self._new_shard()
        self.shard.open()

    # --- changes, made ahead so that the making is not measured

    def upsert(
        self, number: int, vector: Float32Array, attributes: Mapping[str, Any] | None = None, picture: int | None = None
    ) -> Change:
        """The change that puts an item with this unit vector of shape (dimension,); `picture` tells pictures apart."""
        stamp = self._stamp("upsert")
        parts = {key: AttributePart(stamp, value) for key, value in (attributes or {}).items()}
        fingerprint = (number if picture is None else picture).to_bytes(_FINGERPRINT_BYTES, "little")
        state = ItemState(
            item_id=_item_id(number),
            upserted=stamp,
            replaced=stamp if parts else None,
            image=ImagePart(stamp, (fingerprint.hex(),)),
            attributes=parts,
            origins={0: stamp.offset},
        )
        return Change(number, state, make_vector_record(stamp, _MODEL, (fingerprint,), vector[None], StageTimes()))

    def delete(self, number: int) -> Change:
        """The change that takes an item away."""
        stamp = self._stamp("delete")
        state = ItemState(item_id=_item_id(number), deleted=stamp, origins={0: stamp.offset})
        return Change(number, state, VectorRecord(stamp, _MODEL, self._generation.dimension))

    # --- applying

    def apply(self, change: Change) -> None:
        """Apply both records; waits, as a follower does, while a drainer makes room in the buffer."""
        self.shard.apply_state(change.state)
        while True:
            try:
                self.shard.apply_vectors(change.state.item_id, change.vectors)
                break
            except Busy:
                time.sleep(FULL_BUFFER_WAIT_S)
        if change.state.live:
            self.live.add(change.number)
        else:
            self.live.discard(change.number)

    def apply_and_drain(self, changes: Sequence[Change]) -> None:
        """Apply changes and drain whenever the shard wants it, in this thread."""
        for change in changes:
            self.apply(change)
            while self.shard.wants_drain:
                self.shard.drain()

    def settle(self) -> None:
        """Drain to the last vector."""
        while self.shard.drain(flush=True):
            pass

    @contextmanager
    def kept(self) -> Iterator[Drainer]:
        """The thread that drains and compacts in a node, for as long as the context lasts."""
        drainer = Drainer(self.shard, "bench")
        drainer.start()
        try:
            yield drainer
        finally:
            drainer.stop(DRAINER_STOP_S)
            self.drained_s += drainer.drained_s

    # --- reading

    def search(self, vector: Float32Array, k: int, wanted: Filter | None = None) -> list[int]:
        """The numbers of the best items, best first."""
        return [int(item.item_id[1:]) for item in self.shard.search(Query(vector, k, wanted)).items]

    def search_all(self, queries: Float32Array, k: int, wanted: Filter | None = None) -> list[list[int]]:
        """The answers to queries of shape (n, dimension)."""
        return [self.search(query, k, wanted) for query in queries]

    def live_numbers(self) -> Int64Array:
        """The numbers of the living items, ascending."""
        return np.array(sorted(self.live), np.int64)

    # --- life

    def reopen(self) -> float:
        """Close the shard and restore it from its newest snapshot; the seconds that restoring took."""
        self.shard.close()
        self.shard = self._new_shard()
        started_s = time.perf_counter()
        offsets = self.shard.open()
        took_s = time.perf_counter() - started_s
        assert offsets is not None, "there is no whole snapshot to restore"
        self.shard.serve()
        return took_s

    def close(self) -> None:
        """Stop; the folder stays."""
        self.shard.close()

    def _new_shard(self) -> Shard:
        faiss.omp_set_num_threads(1)
        identity = Identity(
            log_id=_MODEL,
            generation=self._generation.name,
            fingerprint=self._generation.fingerprint,
            dimension=self._generation.dimension,
            storage=self._generation.storage,
            partitions=1,
            shards=1,
            shard=0,
        )
        return Shard(self._generation, identity, self._folder, self._index, lambda: time.time_ns() // 1000)

    def _stamp(self, op: str) -> Stamp:
        self._version += 1
        return Stamp(self._version, self._version, self._version, RANKS[op])


def generation_of(dimension: int, index: IndexSettings) -> Generation:
    """A generation of one shard with these settings."""
    return Generation(
        name="bench",
        model=_MODEL,
        fingerprint=_MODEL,
        dimension=dimension,
        shards=1,
        m=index.m,
        ef_construction=index.ef_construction,
        ef_search=index.ef_search,
        storage=index.storage,
    )


def _item_id(number: int) -> str:
    return f"i{number}"
