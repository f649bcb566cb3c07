"""Which kind of graph keeps the vectors of a generation: its storage says so."""

from pathlib import Path

from index_shards.candidates import Int64Array
from index_shards.graph import Graph
from index_shards.small_graph import SmallGraph
from index_shards.vector_graph import VectorGraph
from schemas.cluster import Generation

SMALL = "small"


def new_graph(generation: Generation, folder: Path, ef_construction: int | None = None) -> VectorGraph:
    """An empty graph; `folder` is for what it keeps on disk while it lives.

    Raises:
        DiskFailed: the disk is full or fails.
    """
    if generation.storage == SMALL:
        return SmallGraph(generation, folder, ef_construction=ef_construction)
    return Graph(generation, ef_construction=ef_construction)


def load_graph(generation: Generation, folder: Path, path: Path, ordinals: Int64Array) -> VectorGraph:
    """The graph that `VectorGraph.write` wrote to `path`, with these ordinals (0 for none) at its positions.

    All are alive until marked. `folder` is as in `new_graph`.

    Raises:
        ValueError: the files hold another kind of graph, one that does not fit the ordinals, or parts of several.
        RuntimeError: FAISS cannot read the file.
        DiskFailed: the disk is full or fails.
    """
    if generation.storage == SMALL:
        return SmallGraph.load(generation, path, ordinals, folder)
    return Graph.load(generation, path, ordinals)
