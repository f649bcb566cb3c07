"""The thread that moves a shard's vectors from the buffer into the graph, never holding up searches for long."""

import threading
import time

import structlog

from index_shards.compaction import Compaction, Stage
from index_shards.faiss_api import faiss
from index_shards.shard import SLICE, Shard
from index_shards.shard_state import ShardState

log = structlog.get_logger()

# The share of the time that the graph may be locked for adding while it is searched.
DUTY = 0.3
IDLE_S, COMPACTION_LOOK_S = 0.02, 1.0


class Drainer:
    """Drains one shard, and compacts it when that is due; `compactions` and `refusals` count how those ended.

    Only who holds `permit` compacts: shards that share one never do at the same time. While the shard is searched,
    draining holds its graph's lock for `DUTY` of the time, and compacting takes `compaction_cpu_share` of a core.
    """

    def __init__(
        self, shard: Shard, name: str, permit: "threading.Lock | None" = None, compaction_cpu_share: float = 0.5
    ) -> None:
        self._shard = shard
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"drainer-{name}", daemon=True)
        self._permit = threading.Lock() if permit is None else permit
        self._cpu_share = compaction_cpu_share
        self._compaction: Compaction | None = None
        self._compaction_s = 0.0
        self._drain_at_s = self._compact_at_s = 0.0
        self.compactions = self.refusals = 0

    @property
    def compacting(self) -> bool:
        """Whether a new graph is being built."""
        return self._compaction is not None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End after the slice that is being added."""
        self._stop.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        faiss.omp_set_num_threads(1)
        try:
            while not self._stop.is_set():
                self._stop.wait(self._turn())
        except Exception as error:
            log.exception("draining_failed")
            self._shard.fail(f"draining failed: {error}")
        finally:
            self._end_compaction(cancel=True)

    def _turn(self) -> float:
        """Do what is due, draining first; the seconds until something may be due again."""
        now_s = time.monotonic()
        wants_drain = self._shard.wants_drain
        if wants_drain and now_s >= self._drain_at_s:
            self._shard.drain()
            self._drain_at_s = self._rested(now_s, DUTY)
        elif now_s >= self._compact_at_s:
            self._compact()
        else:
            return max(min(self._drain_at_s if wants_drain else now_s + IDLE_S, self._compact_at_s) - now_s, 0.0)
        return 0.0

    def _rested(self, started_s: float, share: float) -> float:
        """When a slice that began then may be followed by the next, for slices to take this share of the time."""
        now_s = time.monotonic()
        if self._shard.state is not ShardState.SERVING:
            return now_s
        return now_s + (now_s - started_s) * (1 / share - 1)

    def _compact(self) -> None:
        started_s = time.monotonic()
        if self._compaction is None:
            self._begin_compaction()
            if self._compaction is None:
                self._compact_at_s = started_s + COMPACTION_LOOK_S
                return
        self._compaction.step(SLICE)
        if self._compaction.over:
            self._end_compaction(cancel=False)
        self._compact_at_s = self._rested(started_s, self._cpu_share)

    def _begin_compaction(self) -> None:
        if not self._permit.acquire(blocking=False):
            return
        self._compaction = self._shard.begin_compaction()
        self._compaction_s = time.monotonic()
        if self._compaction is None:
            self._permit.release()

    def _end_compaction(self, cancel: bool) -> None:
        compaction, self._compaction = self._compaction, None
        if compaction is None:
            return
        if cancel:
            compaction.cancel()
        self._permit.release()
        self.compactions += compaction.stage is Stage.SWAPPED
        self.refusals += compaction.stage is Stage.REFUSED
        log.info(
            "compaction_ended",
            stage=compaction.stage.value,
            seconds=round(time.monotonic() - self._compaction_s, 2),
            recall_before=round(compaction.recall_before, 4),
            recall_after=round(compaction.recall_after, 4),
            **_sizes(self._shard),
        )


def _sizes(shard: Shard) -> dict[str, int]:
    counts = shard.counts()
    return {"graph_vectors": counts.graph_vectors, "dead_vectors": counts.dead_vectors}
