"""An agent that stands still: records wait in a partition of its own, and nothing about them moves.

Faust does not notice commits that have stopped, nor a call that never returns, and what stands still holds its
partitions for as long as the process lives. Ending it is the cure: a restart reads again from the last commit.

What waits for a reason of its own is no standstill: a broker that is away, back-pressure, a full disk, a table that is
being rebuilt, a group that is being joined.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, NamedTuple, Protocol

import structlog
from confluent_kafka import Consumer, TopicPartition

from schemas.errors import NotReady
from schemas.kafka_clients import ANSWER_TIMEOUT_S, end_offsets, make_reader
from schemas.settings import KafkaSettings
from streams.endings import end_now

LOOKS = 8
SOONEST_S, JOIN_S = 0.25, 0.5

log = structlog.get_logger()


class Position(NamedTuple):
    """One partition: the offset committed and where the log ends, as the broker has them, and the next offsets to be
    taken and to be acknowledged, as the agent has them.
    """

    committed: int
    end: int
    taken: int
    acknowledged: int


class StallWatch:
    """Remembers since when each partition has stood still."""

    def __init__(self, stall_s: float) -> None:
        self._stall_s = stall_s
        self._still: dict[int, tuple[tuple[int, ...], float]] = {}

    def look(self, now_s: float, positions: Mapping[int, Position], moved: int) -> list[int]:
        """The partitions that have stood still for too long.

        `moved` counts whatever the agent gets done: records are acknowledged in the order they were taken, so what is
        taken and not acknowledged may wait for others.
        """
        before, self._still = self._still, {}
        for partition, at in positions.items():
            if at.committed >= at.end:
                continue
            mark = (at.committed, at.taken, at.acknowledged, moved if at.taken > at.acknowledged else -1)
            held = before.get(partition)
            self._still[partition] = (mark, now_s) if held is None or held[0] != mark else held
        return [p for p, (_, since_s) in self._still.items() if now_s - since_s >= self._stall_s]

    def forget(self) -> None:
        """What stands still just now has a reason: begin again."""
        self._still = {}


class Watched(Protocol):
    """The part of `streams.agent.Agent` that is looked at, from another thread."""

    name: ClassVar[str]
    source: ClassVar[str]
    group: str
    moved: int

    def waits(self) -> bool:
        """Whether it has a reason to stand still."""

    def progress(self) -> Mapping[int, tuple[int, int]]:
        """Its partitions, and of each the next offsets to be taken and to be acknowledged, -1 for none yet."""


class StallGuard:
    """A thread, since an event loop that stands still notices nothing; it ends the process."""

    def __init__(
        self,
        kafka: KafkaSettings,
        agents: Sequence[Watched],
        stall_s: float,
        excused: Callable[[], bool],
        end: Callable[[BaseException], object] = end_now,
    ) -> None:
        """`excused` says that nothing can move just now: the broker is away, or the disk is full."""
        self._stall_s, self._excused, self._end = stall_s, excused, end
        self._watched = [(agent, StallWatch(stall_s), make_reader(kafka, agent.group)) for agent in agents]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stall-guard", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End soon; nobody waits long for it, as a broker that is away may hold it for seconds."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_S)

    def _run(self) -> None:
        while not self._stop.wait(max(self._stall_s / LOOKS, SOONEST_S)):
            for agent, watch, reader in self._watched:
                try:
                    self._look(agent, watch, reader)
                except Exception as error:  # noqa: BLE001  the broker is away, or the assignment changes meanwhile
                    log.debug("progress_unknown", agent=agent.name, error=str(error))
                    watch.forget()

    def _look(self, agent: Watched, watch: StallWatch, reader: Consumer) -> None:
        progress = {} if self._excused() or agent.waits() else agent.progress()
        if not progress:
            watch.forget()
            return
        positions = _positions(reader, agent.source, progress)
        for partition in watch.look(time.monotonic(), positions, agent.moved):
            at = positions[partition]
            if self._stop.is_set() or not _has_record(reader, agent.source, partition, at.committed):
                continue
            self._end(
                NotReady(
                    f"the {agent.name} agent stands still: {agent.source}/{partition} is read up to offset "
                    f"{at.committed} of {at.end}, and nothing has moved for {self._stall_s:g} s "
                    "(LOOKALIVE_STREAM__STALL_S); it ends, so that a restart reads again from the last commit",
                    code="stalled",
                )
            )


def _positions(reader: Consumer, topic: str, progress: Mapping[int, tuple[int, int]]) -> dict[int, Position]:
    """Where each partition is; a group that has committed nothing is at the oldest record."""
    kept = end_offsets(reader, topic, progress)
    asked = [TopicPartition(topic, partition) for partition in progress]
    committed = {tp.partition: tp.offset for tp in reader.committed(asked, timeout=ANSWER_TIMEOUT_S)}
    found = {}
    for partition, (taken, acknowledged) in progress.items():
        oldest, end = kept[partition]
        found[partition] = Position(max(committed[partition], oldest), end, taken, acknowledged)
    return found


def _has_record(reader: Consumer, topic: str, partition: int, offset: int) -> bool:
    """Whether there is anything to read from here on: markers of transactions and compaction leave offsets empty."""
    reader.assign([TopicPartition(topic, partition, offset)])
    try:
        message = reader.poll(ANSWER_TIMEOUT_S)
    finally:
        reader.unassign()
    return message is not None and message.error() is None
