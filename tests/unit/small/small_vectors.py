"""Small graphs over the seeded hard mixture."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from index_shards.candidates import Candidates
from index_shards.dead_hits import DeadHits
from index_shards.faiss_api import faiss
from index_shards.graph_search import search_graph
from index_shards.small_graph import SmallGraph
from ops.bench.vectors import hard_mixture
from schemas.cluster import Generation

K = 10
SLICE = 256


def generation(dimension: int, **values: Any) -> Generation:
    return Generation(name="g1", model="fake", fingerprint="fake-1", dimension=dimension, shards=1, **values)


def originals(count: int, dimension: int, seed: int = 1) -> npt.NDArray[np.float32]:
    """Hard vectors as they come out of the log: fp16."""
    return hard_mixture(count, dimension, seed).astype(np.float16).astype(np.float32)


def ordinals_of(positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Ordinals whose slots are the positions, under tag 1."""
    return positions | 1 << 32


def filled(folder: Path, vectors: npt.NDArray[np.float32], **values: Any) -> SmallGraph:
    """A small graph of these vectors, added slice by slice."""
    graph = SmallGraph(generation(vectors.shape[1], **values), folder)
    graph.train(vectors[:1000])
    put(graph, vectors)
    return graph


def put(graph: SmallGraph, vectors: npt.NDArray[np.float32]) -> None:
    # More threads gain nothing in small slices, and spin against each other on a busy machine.
    faiss.omp_set_num_threads(1)
    start = len(graph)
    for at in range(0, len(vectors), SLICE):
        rows = vectors[at : at + SLICE]
        graph.make_room(len(rows), threading.RLock())
        graph.prepare(rows)
        with graph.lock.write():
            graph.add(ordinals_of(np.arange(start + at, start + at + len(rows))), rows, threading.RLock())


def found_by(
    graph: SmallGraph,
    query: npt.NDArray[np.float32],
    allowed: npt.NDArray[np.int64] | None = None,
    exact: bool = False,
    depth: int = K,
) -> Candidates:
    return search_graph(graph, query, depth, allowed, exact, DeadHits())


def recall(
    graph: SmallGraph,
    vectors: npt.NDArray[np.float32],
    queries: npt.NDArray[np.float32],
    eligible: npt.NDArray[np.bool_] | None = None,
    **how: Any,
) -> float:
    """The share of each query's true nearest among the eligible that is found."""
    hits = 0
    for query in queries:
        scores = vectors @ query
        if eligible is not None:
            scores[~eligible] = -2
        best = set(ordinals_of(np.argsort(-scores)[:K]).tolist())
        found = found_by(graph, query, **how)
        hits += len(best & set(found.best(K)))
    return hits / (K * len(queries))
