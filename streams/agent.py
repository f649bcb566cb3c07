"""What both Faust agents share: taking records in order, acknowledging them late, starting and stopping."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import structlog

from schemas.backlog import Gate
from schemas.errors import NotReady
from schemas.settings import KafkaSettings
from streams.delivery import Delivery
from streams.disk_hold import DiskHold
from streams.endings import end_now
from streams.faust_app import leave_group
from streams.gaps import OffsetWatch, first_kept, read_positions
from streams.in_flight import InFlight
from streams.metrics import StreamMetrics

if TYPE_CHECKING:
    import faust

DRAIN_S, STOP_S = 4.0, 4.0
ASK_AGAIN_S = 0.5

log = structlog.get_logger()


class Keeper(Protocol):
    """Who sees that what an agent writes stays the newest of the log."""

    async def run(self) -> None:
        """Look for ever."""


class Agent(ABC):
    """One Faust app with one agent; no exception leaves it: what is not foreseen ends the process.

    Faust neither redelivers what an agent failed on nor notices that commits have stopped, so only a restart, which
    reads again from the last commit, loses nothing.
    """

    name: ClassVar[str]
    source: ClassVar[str]
    _keeper: Keeper

    def __init__(
        self, app: "faust.App", group: str, kafka: KafkaSettings, gate: Gate, metrics: StreamMetrics, in_flight: int
    ) -> None:
        self.app = app
        self.group = group
        self._kafka = kafka
        self._gate = gate
        self._metrics = metrics
        self._in_flight = InFlight(in_flight)
        metrics.in_flight.labels(self.name).set_function(self._in_flight.__len__)
        metrics.partitions.labels(self.name).set_function(
            lambda: len(self.owned()) if self.app.tables.actives_ready else 0
        )
        self._watch = OffsetWatch(contiguous=kafka.embedded)
        self.disk = DiskHold()
        self._acknowledged: dict[int, int] = {}
        self._held_back = False
        # Counts whatever gets done.
        self.moved = 0
        self._stopping = False
        self._delivery = Delivery(kafka)
        self._acknowledging: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None

    @abstractmethod
    async def process(self, stream: Any) -> None:
        """Take records of the stream for ever."""

    def attach(self, topic: Any) -> None:
        """Make `process` the app's agent on this topic."""

        async def guarded(stream: Any) -> None:
            try:
                await self.process(stream)
            except asyncio.CancelledError:
                raise
            except StopAsyncIteration:
                return  # Faust closes what lies before an agent that way when the app stops
            except BaseException as error:  # noqa: BLE001  see the class
                end_now(error)

        self.app.agent(topic, name=self.name)(guarded)

    async def start(self) -> None:
        """Join the group; records come when partitions are assigned and tables are rebuilt."""
        self._delivery.start()
        self._acknowledging = asyncio.create_task(self._in_flight.run(), name=f"{self.name}-acknowledge")
        self._acknowledging.add_done_callback(end_with)
        await self.app.start()
        self._keeping = asyncio.create_task(self._keeper.run(), name=f"{self.name}-keep")
        self._keeping.add_done_callback(end_with)

    async def stop(self) -> None:
        """Take nothing more, acknowledge what was taken, commit, leave the group; bounded, broker or no broker."""
        self._stopping = True
        if self._keeping is not None:
            self._keeping.cancel()
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._in_flight.drained()
        except TimeoutError:
            log.warning("not_drained", agent=self.name, records=len(self._in_flight))
        await leave_group(self.app, self.name, STOP_S)
        self._delivery.stop()

    def not_ready(self) -> str | None:
        """Why nothing is being taken yet; None when records flow."""
        if self.app.crashed:
            return "the app has crashed"
        if self.app.in_recovery:
            return f"rebuilding the table, {self.app.tables.recovery.active_remaining_total()} states to go"
        if self.app.rebalancing or not self.app.tables.actives_ready:
            return f"joining the group {self.group}"
        return self.disk.reason

    async def check(self, message: Any) -> None:
        """See that no record is missing before this one.

        Raises:
            LogGap: the broker dropped records that were not read.
            NotReady: a record was passed over that the broker still has: reading again from the last commit mends it.
        """
        if self._watch.is_new(message.generation_id):
            positions = await self._positions()
            self._watch.begin(message.generation_id, positions)
            self._acknowledged = dict(positions)
        wanted = self._watch.jump(message.partition, message.offset)
        if wanted is None:
            return
        first = await asyncio.to_thread(first_kept, self._kafka, self.source, message.partition, wanted)
        if first < message.offset:
            raise NotReady(
                f"{self.source}/{message.partition}: offset {message.offset} came before {first}", code="passed_over"
            )

    async def open_gate(self) -> None:
        """Wait until the readers of what is produced have caught up."""
        if self._gate.must_ask():
            self._held_back = True
            try:
                with self._metrics.stage_seconds.labels("gate").time():
                    await self._gate.wait()
            finally:
                self._held_back = False

    async def park(self) -> None:
        """Wait for the end, taking nothing."""
        await asyncio.Event().wait()

    async def acknowledge(self, messages: Sequence[Any]) -> None:
        """Allow the offsets to be committed, of partitions that were not given away since."""
        self.moved += len(messages)
        generation = self.app.consumer_generation_id
        own = [message for message in messages if message.generation_id == generation]
        self.app.consumer.ack_all(own)
        for message in own:
            self._acknowledged[message.partition] = message.offset + 1

    def owned(self) -> set[int]:
        """The partitions that are this worker's: what follows from others is written by their new owners."""
        assigned = self.app.consumer.assignment() if self._acknowledging is not None else ()
        return {tp.partition for tp in assigned if tp.topic == self.source}

    @property
    def is_spare(self) -> bool:
        """Whether it has joined its group and was given nothing."""
        return self.not_ready() is None and not self.owned()

    def waits(self) -> bool:
        """See `streams.stall_watch.Watched`: no records flow yet, or the readers of what is produced are behind."""
        return self._held_back or self._stopping or self.not_ready() is not None

    def progress(self) -> dict[int, tuple[int, int]]:
        """See `streams.stall_watch.Watched`."""
        return {p: (self._watch.wanted(p), self._acknowledged.get(p, -1)) for p in self.owned()}

    async def _positions(self) -> dict[int, int]:
        partitions = range(self._kafka.partitions)
        while True:
            try:
                return await asyncio.to_thread(read_positions, self._kafka, self.group, self.source, partitions)
            except NotReady as error:
                log.warning("positions_unknown", agent=self.name, error=error.message)
                await asyncio.sleep(ASK_AGAIN_S)


def time_us_of(message: Any) -> int:
    """A record's timestamp in microseconds since the epoch; 0 where it has none."""
    return max(round((message.timestamp or 0.0) * 1_000_000), 0)


def end_with(task: "asyncio.Task[None]") -> None:
    """The callback of a task that an agent cannot do without: what it raised ends the process."""
    if not task.cancelled() and (error := task.exception()) is not None:
        end_now(error)


Writes = list[Awaitable[object]]
