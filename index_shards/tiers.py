"""Both tiers of one shard under one id map: where a vector lies, how it moves and how it is hidden."""

import threading
from collections.abc import Iterable

import numpy as np

from index_shards.candidates import Float32Array, Int64Array
from index_shards.fresh_buffer import FreshBuffer
from index_shards.graph import Graph
from index_shards.id_map import IdMap, Item, Picture
from schemas.changes import MAX_IMAGES
from schemas.cluster import Generation

# The most pictures an item has, and so the room that one vector record may need.
MAX_PICTURES = MAX_IMAGES


class Tiers:
    """The fresh buffer, the graph and the id map.

    `lock` guards the id map and the appending end of the buffer; it is held for microseconds. The order of taking is
    `drain_lock`, then the graph's lock, then `lock`; a search takes the latter two one after the other, never nested.
    """

    def __init__(self, generation: Generation, buffer_capacity: int, graph: Graph | None = None) -> None:
        self.lock = threading.RLock()
        self.drain_lock = threading.Lock()
        self.generation = generation
        self.id_map = IdMap()
        self.buffer = FreshBuffer(generation.dimension, buffer_capacity)
        self.graph = Graph(generation) if graph is None else graph

    def show(self, item: Item) -> None:
        """Put an item in place of what stood under its id and hide or show every picture concerned; hold `lock`."""
        for picture in self.id_map.set_item(item):
            if self.id_map.refresh(picture):
                self._mark(picture)

    def picture_of(self, fingerprint: bytes, vector: Float32Array) -> Picture:
        """The picture with this fingerprint, put into the buffer if it is new, hidden at first; hold `lock`."""
        known = self.id_map.known(fingerprint)
        if known is not None:
            return known
        sequence = self.buffer.append(self.id_map.next_ordinal, vector, hidden=True)
        return self.id_map.create(fingerprint, ~sequence)

    def places(self) -> dict[int, int]:
        """Where every vector lies, by ordinal, as `Picture.place` has it; for a shard at rest."""
        places = {ordinal: position for position, ordinal in enumerate(self.graph.ordinals[: len(self.graph)].tolist())}
        fresh, _ = self.buffer.oldest(len(self.buffer))
        return places | {o: ~sequence for sequence, o in enumerate(fresh.tolist(), start=self.buffer.start)}

    def vectors_of(self, pictures: Iterable[Picture]) -> list[Float32Array]:
        """Copies of the float32 vectors of these pictures, each of shape (dimension,)."""
        with self.lock:
            graph = self.graph
            places = [picture.place for picture in pictures]
            fresh = {place: self.buffer.vector(~place) for place in places if place < 0}
        settled = np.array([place for place in places if place >= 0], np.int64)
        rows = iter(graph.vectors(settled)) if len(settled) else iter(())
        return [next(rows) if place >= 0 else fresh[place] for place in places]

    def drain(self, count: int) -> int:
        """Move up to `count` of the oldest vectors into the graph, the forgotten ones into nothing; how many moved."""
        with self.drain_lock:
            self._train_once()
            with self.lock:
                ordinals, vectors = self.buffer.oldest(count)
                kept = np.fromiter((int(o) in self.id_map.pictures for o in ordinals), np.bool_, len(ordinals))
            with self.graph.lock.write():
                first = self.graph.add(ordinals[kept], vectors[kept]) if kept.any() else len(self.graph)
                with self.lock:
                    self._moved(self.graph, ordinals[kept], first)
                    self.buffer.drained(len(ordinals))
        return len(ordinals)

    def swap(self, graph: Graph) -> None:
        """Search this graph from now on: every picture of it keeps its ordinal; hold `drain_lock`."""
        with self.lock:
            self._moved(graph, graph.ordinals[: len(graph)], 0)
            self.graph = graph

    def _moved(self, graph: Graph, ordinals: Int64Array, first: int) -> None:
        for position, ordinal in enumerate(ordinals.tolist(), start=first):
            picture = self.id_map.pictures.get(ordinal)
            if picture is not None:
                picture.place = position
            graph.tombstones.mark(position, picture is None or not picture.visible)

    def _mark(self, picture: Picture) -> None:
        if picture.in_graph:
            self.graph.tombstones.mark(picture.place, not picture.visible)
        else:
            self.buffer.hide(picture.sequence, not picture.visible)

    def _train_once(self) -> None:
        if self.graph.wants_training:
            with self.lock:
                _, sample = self.buffer.oldest(len(self.buffer))
            if len(sample):
                self.graph.train(sample)
