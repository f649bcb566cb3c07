"""The thread that moves a shard's vectors from the buffer into the graph, never holding up searches for long."""

import threading
import time

import structlog

from index_shards.faiss_api import faiss
from index_shards.shard import Shard
from index_shards.shard_state import ShardState

log = structlog.get_logger()

# The share of the time that the graph may be locked for adding while it is searched.
DUTY = 0.3
IDLE_S, COMPACTION_LOOK_S = 0.02, 1.0


class Drainer:
    """Drains one shard, and compacts it when that is due; `compactions` counts those."""

    def __init__(self, shard: Shard, name: str) -> None:
        self._shard = shard
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"drainer-{name}", daemon=True)
        self.compactions = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End after the slice that is being added."""
        self._stop.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        faiss.omp_set_num_threads(1)
        look_s = time.monotonic()
        try:
            while not self._stop.is_set():
                if self._shard.wants_drain:
                    self._slice()
                    continue
                if time.monotonic() - look_s > COMPACTION_LOOK_S:
                    self._compact()
                    look_s = time.monotonic()
                self._stop.wait(IDLE_S)
        except Exception as error:
            log.exception("draining_failed")
            self._shard.fail(f"draining failed: {error}")

    def _slice(self) -> None:
        started_s = time.perf_counter()
        self._shard.drain()
        if self._shard.state is ShardState.SERVING:
            held_s = time.perf_counter() - started_s
            self._stop.wait(held_s * (1 / DUTY - 1))

    def _compact(self) -> None:
        started_s = time.perf_counter()
        if self._shard.compact_if_due(self._stop.is_set):
            self.compactions += 1
            log.info("compacted", seconds=round(time.perf_counter() - started_s, 2), **_sizes(self._shard))


def _sizes(shard: Shard) -> dict[str, int]:
    counts = shard.counts()
    return {"graph_vectors": counts.graph_vectors, "dead_vectors": counts.dead_vectors}
