"""A vector of 512 dimensions takes at most 450 bytes in memory with everything that is kept for it."""

import threading
from pathlib import Path

from index_shards.small_graph import SmallGraph
from tests.unit.small.small_vectors import filled, generation, originals

COUNT, DIMENSION = 2500, 512
# What the shard keeps of an item elsewhere: tag, owner, visibility and the like.
ELSEWHERE_BYTES = 25
ROTATION_BYTES = 4 * DIMENSION * DIMENSION


def resident_bytes() -> int:
    """Memory of this process that is not a file's."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("RssAnon:")[1].split()[0])


def test_bytes_per_vector(tmp_path: Path) -> None:
    graph = filled(tmp_path, originals(COUNT, DIMENSION))
    # The rotation is one for all: a tenth of a byte each at ten million, but not to be left out at few.
    assert graph.size_bytes > ROTATION_BYTES
    assert (graph.size_bytes - ROTATION_BYTES) / COUNT <= 450 - ELSEWHERE_BYTES

    graph.write(tmp_path / "graph")
    on_disk = (tmp_path / "graph").stat().st_size
    maps = graph.size_bytes - on_disk
    assert 0 <= maps <= 25 * COUNT, "what is counted is what is written, and the maps that are not written"
    assert graph.disk_bytes == 2 * DIMENSION * COUNT


def test_room_takes_no_memory_until_it_is_used(tmp_path: Path) -> None:
    graph = SmallGraph(generation(DIMENSION), tmp_path)
    before = resident_bytes()
    graph.make_room(0, threading.RLock(), capacity=500_000)
    assert resident_bytes() - before < 500_000 * 40, "of about 400 bytes each"
