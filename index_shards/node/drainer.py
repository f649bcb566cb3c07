"""The thread that moves a shard's vectors from the buffer into the graph, never holding up searches for long."""

import threading
import time

import structlog

from index_shards.compaction import Compaction, Stage
from index_shards.faiss_api import faiss
from index_shards.shard import Shard

log = structlog.get_logger()

# The share of the time that the graph may be locked for adding while it is searched.
DUTY = 0.3
# Where nothing was applied for a while, what is left in the buffer follows, more slowly.
IDLE_DUTY = 0.1
IDLE_S, COMPACTION_LOOK_S = 0.02, 1.0
# Vectors put into a new graph, which nobody searches yet, before draining has its turn.
COMPACTION_SLICE = 8


class Drainer:
    """Drains one shard, and compacts it when that is due; `compactions` and `refusals` count how those ended.

    `draining` says whether vectors are being moved, `drained_s` for how many seconds they were in all. After
    `idle_after_s` without a change, all of the buffer is.

    Only who holds `permit` compacts: shards that share one never do at the same time. While the shard is searched,
    draining holds its graph's lock for `DUTY` of the time, and compacting takes `compaction_cpu_share` of a core.
    """

    def __init__(
        self,
        shard: Shard,
        name: str,
        permit: "threading.Lock | None" = None,
        compaction_cpu_share: float = 0.5,
        idle_after_s: float = 5.0,
    ) -> None:
        self._shard = shard
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"drainer-{name}", daemon=True)
        self._permit = threading.Lock() if permit is None else permit
        self._cpu_share = compaction_cpu_share
        self._idle_after_s = idle_after_s
        self._applied, self._applied_s = 0, time.monotonic()
        self._compaction: Compaction | None = None
        self._compaction_s = 0.0
        self._drain_at_s = self._compact_at_s = 0.0
        self.draining = False
        self.drained_s = 0.0
        self.compactions = self.refusals = 0

    @property
    def compacted_share(self) -> float | None:
        """How much of a new graph is built, 0 to 1; None when none is."""
        compaction = self._compaction
        return None if compaction is None else compaction.progress

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
        duty = self._duty()
        self.draining = duty > 0
        if duty and now_s >= self._drain_at_s:
            self._shard.drain()
            self.drained_s += time.monotonic() - now_s
            self._drain_at_s = self._rested(now_s, duty)
        elif now_s >= self._compact_at_s:
            self._compact()
        else:
            return max(min(self._drain_at_s if duty else now_s + IDLE_S, self._compact_at_s) - now_s, 0.0)
        return 0.0

    def _duty(self) -> float:
        """The share of the time that draining may take just now, 0 where nothing is to be drained."""
        shard, now_s = self._shard, time.monotonic()
        if shard.wants_drain:
            return DUTY
        if shard.applied != self._applied:
            self._applied, self._applied_s = shard.applied, now_s
        idle = shard.state.answers and now_s - self._applied_s >= self._idle_after_s
        return IDLE_DUTY if idle and shard.buffered else 0.0

    def _rested(self, started_s: float, share: float) -> float:
        """When a slice that began then may be followed by the next, for slices to take this share of the time."""
        now_s = time.monotonic()
        if not self._shard.state.answers:
            return now_s
        return now_s + (now_s - started_s) * (1 / share - 1)

    def _compact(self) -> None:
        started_s = time.monotonic()
        if self._compaction is None:
            self._begin_compaction()
            if self._compaction is None:
                self._compact_at_s = started_s + COMPACTION_LOOK_S
                return
        self._compaction.step(COMPACTION_SLICE)
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
        else:
            log.info("compaction_began", generation=self._shard.generation.name, shard=self._shard.number)

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
            generation=self._shard.generation.name,
            shard=self._shard.number,
            stage=compaction.stage.value,
            seconds=round(time.monotonic() - self._compaction_s, 2),
            recall_before=round(compaction.recall_before, 4),
            recall_after=round(compaction.recall_after, 4),
            **_sizes(self._shard),
        )


def _sizes(shard: Shard) -> dict[str, int]:
    counts = shard.counts()
    return {"graph_vectors": counts.graph_vectors, "dead_vectors": counts.dead_vectors}
