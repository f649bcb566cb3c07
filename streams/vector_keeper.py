"""What an owner of vectors does beside embedding: writes the newest record of an item again where an older one, of an
owner that was paused and went on, lies behind it.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

import structlog
from confluent_kafka import KafkaException

from schemas.errors import NotReady
from schemas.item_state import Stamp
from schemas.settings import KafkaSettings
from streams.log_ends import LogEnds
from streams.log_stretches import KeptRecord, read_back
from streams.metrics import StreamMetrics
from streams.vector_history import History, histories
from streams.write_watch import CHUNK, Stretch, WriteWatch

LOOK_EVERY_S, STANDSTILL_S = 2.0, 1.0
# A new owner reads so many records of each partition back; and so many to find what is newer than another's record.
LOOK_BACK = 2000

log = structlog.get_logger()


class VectorOwner(Protocol):
    """The embed agent, as far as it is needed here."""

    def owned(self) -> set[int]:
        """The partitions that are this worker's."""

    def newest(self, item_id: str) -> Stamp | None:
        """The stamp of what this worker last wrote for an item; None when unknown."""

    def write_again(self, partition: int, record: KeptRecord) -> Awaitable[int] | None:
        """Write a record once more: its offset; None, and nothing written, while the item is being worked on."""


class VectorKeeper:
    """Compares what others wrote into the owned partitions with what was there before.

    A newer record of this worker's own is looked for as far back as the log goes, one of a worker before it `LOOK_BACK`
    records far: the log keeps both for an hour at least before compaction drops one (`min.compaction.lag.ms`).
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        topic: str,
        model: str,
        owner: VectorOwner,
        watch: WriteWatch,
        metrics: StreamMetrics,
    ) -> None:
        self._kafka, self._topic, self._model = kafka, topic, model
        self._owner, self._watch, self._metrics = owner, watch, metrics
        self._log = LogEnds(kafka, topic)
        self._stretches: deque[tuple[Stretch, bool]] = deque()
        self._pending: dict[tuple[int, bytes], KeptRecord] = {}

    async def run(self) -> None:
        """Go on for ever; a broker that does not answer is asked again."""
        while True:
            slept_s = time.monotonic()
            await asyncio.sleep(LOOK_EVERY_S)
            if time.monotonic() - slept_s > LOOK_EVERY_S + STANDSTILL_S:
                continue  # the partitions may be another's by now
            try:
                await self._look()
            except (NotReady, KafkaException) as error:
                log.warning("vectors_not_kept", error=str(error))

    async def _look(self) -> None:
        owned = self._owner.owned()
        for partition in self._watch.partitions - owned:
            self._watch.end(partition)
        if not owned:
            return
        ends = await self._log.of(owned)
        inherited = [Stretch(p, max(low, end - LOOK_BACK), end) for p, (low, end) in ends.items()]
        inherited = [stretch for stretch in inherited if stretch.partition not in self._watch.partitions]
        for stretch in inherited:
            self._watch.begin(stretch.partition, stretch.end)
        self._stretches += [(stretch, False) for stretch in inherited]
        others = self._watch.others({p: end for p, (_, end) in ends.items()})
        self._stretches += [(stretch, True) for stretch in others]
        while self._stretches:
            if self._stretches[0][0].partition in owned:
                await self._examine(*self._stretches[0])
            self._watch.settle(self._stretches.popleft()[0])
        await self._write_pending(owned)

    async def _examine(self, stretch: Stretch, foreign: bool) -> None:
        partition, begin, end = stretch
        found = histories(await self._read(partition, begin, end, lambda key: True), self._model)
        if foreign:
            log.warning("vectors_of_another_writer", partition=partition, records=end - begin)
        found = {key: history for key, history in found.items() if self._suspect(key, history, foreign)}
        if found:
            await self._compare(partition, begin, found)

    def _suspect(self, key: bytes, history: History, foreign: bool) -> bool:
        """Whether something newer than the item's last record may be in the log."""
        known = self._owner.newest(key.decode(errors="replace"))
        newer = known is not None and (not history.last_order or known > history.last_order[0])
        return history.outdone or newer or (foreign and known is None)

    async def _compare(self, partition: int, begin: int, found: dict[bytes, History]) -> None:
        """Look for what counts before `begin`, and whether it lies behind already."""
        sought = {key for key, history in found.items() if not history.outdone}
        looked_back = 0
        while sought and begin > 0:
            some = any(self._owner.newest(key.decode(errors="replace")) is not None for key in sought)
            if looked_back >= LOOK_BACK and not some:
                break
            first = max(begin - CHUNK, 0)
            earlier = histories(await self._read(partition, first, begin, sought.__contains__), self._model)
            looked_back, begin = looked_back + begin - first, first
            for key, history in earlier.items():
                found[key] = found[key].after(history)
                sought.discard(key)
        outdone = {key: history for key, history in found.items() if history.outdone}
        if not outdone:
            return
        behind = min(history.last.offset for history in outdone.values()) + 1
        later = histories(await self._read(partition, behind, None, outdone.__contains__), self._model)
        for key, history in outdone.items():
            newest = later[key].after(history) if key in later else history
            if newest.outdone and newest.best is not None:
                self._pending[partition, key] = newest.best

    async def _write_pending(self, owned: Iterable[int]) -> None:
        """Write again what counts, except for items that are being worked on: they are looked at once more."""
        mine = set(owned)
        for (partition, key), record in list(self._pending.items()):
            newest = self._owner.newest(key.decode(errors="replace"))
            order = histories([record], self._model)[key].best_order
            if partition not in mine or (newest is not None and order and newest > order[0]):
                del self._pending[partition, key]
            elif (sent := self._owner.write_again(partition, record)) is not None:
                self._watch.wrote(partition, await sent)
                del self._pending[partition, key]
                self._metrics.mended.labels(self._topic).inc()

    async def _read(
        self, partition: int, begin: int, end: int | None, wanted: Callable[[bytes], bool]
    ) -> list[KeptRecord]:
        return await asyncio.to_thread(read_back, self._kafka, self._topic, partition, begin, end, wanted)
