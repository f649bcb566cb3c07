"""What an owner of item states does beside merging: forgets what was deleted long ago, and mends what others wrote."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial

import msgspec
import structlog

from schemas.errors import NotReady
from schemas.item_state import Stamp, decode_state
from schemas.settings import KafkaSettings
from schemas.topics import STATES
from streams.delete_markers import Marker
from streams.delivery import Offset
from streams.log_ends import LogEnds
from streams.log_stretches import KeptRecord, read_back
from streams.metrics import StreamMetrics
from streams.state_table import StateTable
from streams.write_watch import Stretch

TICK_S, LOOK_EVERY_S, STEP_PAUSE_S = 0.5, 2.0, 0.05
RESCAN_EVERY_S = 60.0
FORGOTTEN_AT_ONCE, MENDED_AT_ONCE = 64, 256
# After a standstill of the process the group is asked first whether the partitions are still this worker's.
STANDSTILL_S = 1.0

log = structlog.get_logger()


class StateKeeper:
    """Works on the partitions whose file is complete; every step is short, and the merging goes on in between.

    forget  markers older than `retention_s` become nulls, as many per step as take a millisecond or two
    mend    after a rebuilding, items of which the log's last record was not the newest; later, whatever lies in the
            partition and was not written by its owner. Where such a record has more, it is taken into the file (this
            worker may be the one that was paused); where the owner's state has more, that is written again.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        table: StateTable,
        retention_s: float,
        metrics: StreamMetrics,
        ready: Callable[[], bool],
        merged: Callable[[int], int],
    ) -> None:
        """`merged` tells how far a partition's changes are merged, as the next offset."""
        self._merged = merged
        self._kafka, self._table, self._metrics, self._ready = kafka, table, metrics, ready
        self._retention_us = round(retention_s * 1e6)
        self._log = LogEnds(kafka, STATES)
        self._after: dict[int, bytes] = {}
        self._behind: list[tuple[int, bytes]] = []
        self._others: deque[Stretch] = deque()
        self._look_s = self._rescan_s = 0.0

    async def run(self) -> None:
        """Go on for ever; a broker that does not answer is asked again."""
        while True:
            slept_s = time.monotonic()
            await asyncio.sleep(TICK_S)
            if time.monotonic() - slept_s > TICK_S + STANDSTILL_S or not self._ready():
                continue
            try:
                await self._write_behind()
                if time.monotonic() >= self._look_s:
                    self._look_s = time.monotonic() + LOOK_EVERY_S
                    await self._mend()
                await self._forget()
            except Exception as error:  # noqa: BLE001  the broker's and the disk's alike are only put off
                log.warning("states_not_kept", error=str(error))

    def _mine(self) -> list[int]:
        return sorted(p for p in self._table.watch.partitions if self._table.holds(p))

    async def _forget(self) -> None:
        """Forget what is due, step by step."""
        before_us = time.time_ns() // 1000 - self._retention_us
        if time.monotonic() >= self._rescan_s:
            # Those of a partition that was rebuilt meanwhile may be older than where the last look ended.
            self._after.clear()
            self._rescan_s = time.monotonic() + RESCAN_EVERY_S
        for partition in self._mine():
            more = True
            while more and self._ready() and self._table.holds(partition):
                # Entries that are gone slow down those that look past them, until the file is compacted.
                after = self._after.get(partition, b"")
                due = self._table.markers(partition, before_us, after, FORGOTTEN_AT_ONCE)
                more = await self._forget_these(partition, due) == FORGOTTEN_AT_ONCE
                await asyncio.sleep(STEP_PAUSE_S if more else 0)

    async def _forget_these(self, partition: int, due: list[Marker]) -> int:
        """How many were done with; the others find no room just now."""
        sent: list[Offset] = []
        done = 0
        for marker in due:
            try:
                if not self._table.drop_if_stale(partition, marker):
                    sent.append(self._table.forget(partition, marker))
            except BufferError:
                break
            self._after[partition] = marker.key
            done += 1
        for null in sent:
            await null
        self._metrics.forgotten.labels(STATES).inc(len(sent))
        return done

    async def _write_behind(self) -> None:
        self._behind += self._table.rebuilding.take_behind(self._mine(), MENDED_AT_ONCE - len(self._behind))
        while self._behind:
            await self._write_again(*self._behind[-1])
            self._behind.pop()

    async def _mend(self) -> None:
        mine = self._mine()
        if not mine:
            return
        ends = await self._log.of(mine)
        self._others += self._table.watch.others({p: end for p, (_, end) in ends.items()})
        while self._others:
            if self._table.holds(self._others[0].partition):
                await self._compare(self._others[0])
            self._table.watch.settle(self._others.popleft())

    async def _compare(self, stretch: Stretch) -> None:
        records = await asyncio.to_thread(read_back, self._kafka, STATES, *stretch, lambda key: True)
        log.warning("states_of_another_writer", partition=stretch.partition, records=len(records))
        if not self._table.holds(stretch.partition):
            return
        if not self._ready():
            raise NotReady(f"{STATES}/{stretch.partition} is being assigned")
        buried = await self._bury(stretch.partition, records)
        for key in self._table.take_in(stretch.partition, [r for r in records if r.key not in buried]):
            await self._write_again(stretch.partition, key)

    async def _bury(self, partition: int, records: Iterable[KeptRecord]) -> set[bytes]:
        """Say again that items were forgotten, where they are raised by changes that were merged long ago; which.

        A change that is still to be merged raises its item rightly, so that only changes are judged whose place in the
        partition has been passed.
        """
        raised = {r.key: stamp for r in records if (stamp := _raised_by(r, partition)) is not None}
        raised = {key: stamp for key, stamp in raised.items() if self._table.held(partition, key) is None}
        raised = {key: stamp for key, stamp in raised.items() if stamp[0] < self._merged(partition)}
        for key, (_, newest) in raised.items():
            await self._send(partition, partial(self._table.write_null, partition, key, newest))
        return set(raised)

    async def _write_again(self, partition: int, key: bytes) -> None:
        await self._send(partition, partial(self._table.write_again, partition, key))

    async def _send(self, partition: int, write: Callable[[], Offset | None]) -> None:
        """Write as soon as there is room, and wait for the broker's answer.

        Raises:
            NotReady: the partition may be somebody else's by now, or its file is not complete.
        """
        while self._table.holds(partition):
            if not self._ready():
                raise NotReady(f"{STATES}/{partition} is being assigned")
            try:
                sent = write()
            except BufferError:
                await asyncio.sleep(STEP_PAUSE_S)
                continue
            if sent is not None:
                await sent
                self._metrics.mended.labels(STATES).inc()
            return


def _raised_by(record: KeptRecord, partition: int) -> tuple[int, Stamp] | None:
    """The offset of the only change of its own partition that a state has seen, and its newest stamp."""
    try:
        state = None if record.value is None else decode_state(record.value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if state is None or state.newest is None or set(state.origins) != {partition}:
        return None
    return state.origins[partition], state.newest
