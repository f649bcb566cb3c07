"""How good the answers really are: a share of the live queries is answered again exactly, off the hot path.

Between the two answers the shard may have changed. An item that came since is left out of the count, and an item that
was answered and is gone since excuses one that took its place.
"""

import queue
import threading
import time
from collections import deque
from typing import NamedTuple

import structlog

from index_shards.faiss_api import faiss
from index_shards.searcher import Found, Query
from index_shards.shard import Shard
from schemas.errors import LookaliveError, UnknownItem

log = structlog.get_logger()

RECALL_AT = 10
WAITING, WINDOW = 16, 1000
# The share of one core that exact answers may take.
CPU_SHARE = 0.1


class Sampled(NamedTuple):
    """A query, the ids of the items it was answered with, best first, and when, in microseconds since the epoch."""

    query: Query
    answered: list[str]
    asked_us: int


class Recall(NamedTuple):
    """The mean recall at 10 of the last samples, None without any, and how many they are."""

    at_10: float | None
    samples: int


class LiveRecall:
    """Samples one shard's queries; those that find the queue full are dropped and counted in `dropped`."""

    def __init__(self, shard: Shard, share: float, name: str) -> None:
        self.dropped = 0
        self._shard, self._share = shard, share
        self._due = 0.0
        self._waiting: queue.Queue[Sampled] = queue.Queue(WAITING)
        self._shares: deque[float] = deque(maxlen=WINDOW)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"recall-{name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        if self._share > 0:
            self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End after the answer that is being made."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def offer(self, query: Query, found: Found, asked_us: int) -> None:
        """A query that was just answered; every so many are kept."""
        self._due += self._share
        if self._due < 1 or query.k < RECALL_AT or query.exact:
            return
        self._due = min(self._due - 1, 1)
        try:
            self._waiting.put_nowait(Sampled(query, [item.item_id for item in found.items[:RECALL_AT]], asked_us))
        except queue.Full:
            self.dropped += 1

    def recall(self) -> Recall:
        """What was measured of late."""
        shares = list(self._shares)
        return Recall(sum(shares) / len(shares) if shares else None, len(shares))

    def _run(self) -> None:
        faiss.omp_set_num_threads(1)
        while not self._stop.is_set():
            try:
                sampled = self._waiting.get(timeout=0.1)
            except queue.Empty:
                continue
            started_s = time.thread_time()
            try:
                share = measure(self._shard, sampled)
            except LookaliveError as error:
                # A shard that does not serve any more; what is wrong with it is said elsewhere.
                log.debug("recall_not_measured", error=error.message)
                continue
            if share is not None:
                self._shares.append(share)
            self._stop.wait((time.thread_time() - started_s) * (1 / CPU_SHARE - 1))


def measure(shard: Shard, sampled: Sampled) -> float | None:
    """The share of the exact answer that was in the answer given, 0 to 1; None when there is nothing to find.

    Raises:
        NotReady: the shard does not serve.
    """
    exact = shard.search(sampled.query._replace(k=RECALL_AT, exact=True)).items
    answered = set(sampled.answered)
    missed = [item.item_id for item in exact if item.item_id not in answered]
    older = [item_id for item_id in missed if not _changed(shard, item_id, sampled.asked_us)]
    wanted = len(exact) - (len(missed) - len(older))
    if not wanted:
        return None
    gone = sum(_changed(shard, item_id, sampled.asked_us) for item_id in sampled.answered) if older else 0
    return 1 - max(len(older) - gone, 0) / wanted


def _changed(shard: Shard, item_id: str, since_us: int) -> bool:
    """Whether the item came, changed or went since then."""
    try:
        return shard.get(item_id).searchable_us >= since_us
    except UnknownItem:
        return True
