"""Both tiers of one shard under one id map: where a vector lies, how it moves and how it is hidden."""

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from index_shards.attribute_index import AttributeIndex
from index_shards.candidates import Float32Array, Int64Array
from index_shards.dead_hits import DeadHits
from index_shards.fresh_buffer import FreshBuffer
from index_shards.graph_kinds import new_graph
from index_shards.id_map import IdMap, Shown, Touched
from index_shards.picture_table import slot_of
from index_shards.vector_graph import TRAINING_VECTORS, VectorGraph
from schemas.changes import MAX_IMAGES
from schemas.cluster import Generation

# The most pictures an item has, and so the room that one vector record may need.
MAX_PICTURES = MAX_IMAGES
# How many of the last queries are kept, to check a rebuilt graph with.
RECENT_QUERIES = 64
# Of how many pictures taken up by another item a search hears that began before.
TAKEN_UP_KEPT = 1024


class Tiers:
    """The fresh buffer, the graph, the id map and the attributes.

    `lock` guards the id map, what is marked in graphs and the appending end of the buffer; it is held for microseconds.
    `building` is the graph that shall take the place of `graph`: what is marked is marked in both. The order of taking
    is `drain_lock`, then a graph's lock, then `lock`; a search takes the latter two one after the other, never nested.
    """

    def __init__(
        self, generation: Generation, buffer_capacity: int, folder: Path, graph: VectorGraph | None = None
    ) -> None:
        """`folder` is for what graphs keep on disk while they live.

        Raises:
            DiskFailed: the disk is full or fails.
        """
        self.lock = threading.RLock()
        self.drain_lock = threading.Lock()
        self.generation = generation
        self.id_map = IdMap()
        self.attributes = AttributeIndex()
        self.buffer = FreshBuffer(generation.dimension, buffer_capacity)
        self._folder = folder
        self.graph = self.new_graph() if graph is None else graph
        self.building: VectorGraph | None = None
        self.dead_hits = DeadHits()
        self.recent_queries: deque[Float32Array] = deque(maxlen=RECENT_QUERIES)
        # Pictures that were there and were taken up by an item that had others, and how many that ever were.
        self._taken_up: deque[int] = deque(maxlen=TAKEN_UP_KEPT)
        self.taken_up_count = 0
        # How many were forgotten when a compacted graph was last refused.
        self.refused_forgotten = 0

    # --- changing; the caller holds `lock`

    def show(self, number: int, before: Sequence[int], shown: Shown) -> list[int]:
        """Show an item in this way; the ordinals of pictures that are now nobody's. See `IdMap.put`."""
        if before and shown.findable:
            owners_of = self.id_map.pictures.owners_of
            taken_up = [o for o in shown.ordinals if o not in before and owners_of(slot_of(o))]
            self._taken_up.extend(taken_up)
            self.taken_up_count += len(taken_up)
        return self._mark(self.id_map.put(number, before, shown))

    def remove(self, number: int, before: Sequence[int]) -> list[int]:
        """Forget an item; the ordinals of pictures that are now nobody's."""
        return self._mark(self.id_map.remove(number, before))

    def new_picture(self, vector: Float32Array) -> int:
        """The ordinal of a new picture, whose vector of shape (dimension,) is in the buffer, hidden at first."""
        ordinal = self.id_map.pictures.create()
        self.buffer.append(ordinal, vector, hidden=True)
        return ordinal

    def _mark(self, touched: Touched) -> list[int]:
        graphs = (self.graph,) if self.building is None else (self.graph, self.building)
        for ordinal in touched.turned:
            hidden = not self.id_map.is_visible(ordinal)
            if ordinal in self.buffer:
                self.buffer.hide(ordinal, hidden)
            for graph in graphs:
                graph.places.hide(ordinal, hidden)
        for ordinal in touched.forgotten:
            if ordinal in self.buffer:
                self.buffer.forget(ordinal)
            for graph in graphs:
                graph.places.forget(ordinal)
        return touched.forgotten

    # --- reading

    def vectors_of(self, ordinals: Iterable[int]) -> list[Float32Array] | None:
        """Copies of the float32 vectors of these pictures, each of shape (dimension,); None when one is gone.

        Raises:
            DiskFailed: the disk fails.
        """
        ordinals = list(ordinals)
        with self.lock:
            graph = self.graph
            fresh = {o: self.buffer.vector(o) for o in ordinals if o in self.buffer}
            places = {o: graph.places.position(o) for o in ordinals if o not in fresh}
        settled = [place for place in places.values() if place is not None]
        if len(settled) < len(places):
            return None
        rows = dict(zip(places, graph.vectors(np.array(settled, np.int64)), strict=True)) if settled else {}
        return [rows[o] if o in rows else fresh[o] for o in ordinals]

    def taken_up_since(self, count: int) -> list[int]:
        """The pictures taken up since there were so many; hold `lock`."""
        new = min(self.taken_up_count - count, len(self._taken_up))
        return list(self._taken_up)[len(self._taken_up) - new :]

    # --- moving

    def new_graph(self, ef_construction: int | None = None) -> VectorGraph:
        """An empty graph of the generation.

        Raises:
            DiskFailed: the disk is full or fails.
        """
        return new_graph(self.generation, self._folder, ef_construction)

    @property
    def drains_from(self) -> int:
        """How many vectors must be in the buffer for a drain: enough for the codes to be learned from, at first."""
        if not self.graph.wants_training:
            return 1
        return max(min(TRAINING_VECTORS, self.buffer.capacity - MAX_PICTURES), 1)

    def drain(self, count: int, flush: bool = False) -> int:
        """Move up to `count` of the oldest vectors into the graph, the forgotten ones into nothing; how many moved.

        None move while there are fewer than `drains_from`, unless the buffer shall be emptied whatever becomes of it.

        Raises:
            DiskFailed: the disk is full or fails; nothing has moved.
        """
        with self.drain_lock:
            graph = self.graph
            if len(self.buffer) < (1 if flush else self.drains_from):
                return 0
            self._train_once(graph)
            with self.lock:
                ordinals, vectors = self.buffer.oldest(count)
            kept = ordinals != 0
            graph.make_room(int(kept.sum()), self.lock)
            graph.prepare(vectors[kept])
            with graph.lock.write():
                first = graph.add(ordinals[kept], vectors[kept], self.lock) if kept.any() else len(graph)
                with self.lock:
                    self.settle(graph, ordinals[kept], first)
                    self.buffer.drained(ordinals)
        return len(ordinals)

    def settle(self, graph: VectorGraph, ordinals: Int64Array, first: int) -> None:
        """Mark what was just added to a graph as its pictures are by now; hold `lock`."""
        pictures = self.id_map.pictures
        for position, ordinal in enumerate(ordinals.tolist(), start=first):
            if not pictures.valid(ordinal):
                graph.places.bury(position, ordinal)
            elif not self.id_map.is_visible(ordinal):
                graph.places.tombstones.mark(position, True)

    def swap(self, graph: VectorGraph) -> None:
        """Search this graph from now on; hold `drain_lock`."""
        with self.lock:
            self.graph, self.building = graph, None
            self.dead_hits = DeadHits()
            self.refused_forgotten = 0

    def _train_once(self, graph: VectorGraph) -> None:
        if graph.wants_training:
            with self.lock:
                _, sample = self.buffer.oldest(len(self.buffer))
            if len(sample):
                graph.train(sample)
