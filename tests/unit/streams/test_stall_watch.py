"""What stands still is found, and nothing that moves, waits for its turn or has nothing to read is taken for it."""

import threading
from collections.abc import Iterator, Mapping
from typing import ClassVar

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from ops.embedded_broker import BrokerProcess, start_embedded_broker
from schemas.settings import KafkaSettings
from schemas.topics import CHANGES
from streams.stall_watch import Position, StallGuard, StallWatch

STALL_S = 10.0
READ, UNREAD, TAKEN = Position(5, 5, 5, 5), Position(5, 9, 5, 5), Position(5, 9, 8, 5)


def stalled(position: Position, changes: Mapping[int, Position], moved: bool = False) -> list[float]:
    """The seconds at which partition 0 is said to stand still; `changes` are its positions from a second on."""
    watch, found = StallWatch(STALL_S), []
    for second in range(40):
        position = changes.get(second, position)
        if watch.look(float(second), {0: position}, second if moved else 0):
            found.append(float(second))
    return found


def test_nothing_to_read_is_no_standstill() -> None:
    assert stalled(READ, {}) == []


def test_unread_records_that_nobody_takes() -> None:
    assert stalled(UNREAD, {}, moved=True)[0] == STALL_S


def test_taken_records_wait_for_whatever_moves() -> None:
    assert stalled(TAKEN, {}, moved=True) == []
    assert stalled(TAKEN, {})[0] == STALL_S


def test_what_was_acknowledged_and_is_never_committed() -> None:
    assert stalled(Position(5, 9, 9, 9), {}, moved=True)[0] == STALL_S


def test_new_records_behind_it_are_no_progress() -> None:
    assert stalled(UNREAD, {5: Position(5, 12, 5, 5), 8: Position(5, 14, 5, 5)})[0] == STALL_S


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), max_size=20),
    st.integers(1, int(STALL_S) - 1),
)
def test_whoever_moves_in_time_never_stands_still(steps: list[tuple[int, int, int]], every_s: int) -> None:
    """Any of the three offsets, by any step of at least one in all, at most so many seconds apart."""
    watch, at, now_s = StallWatch(STALL_S), Position(0, 1000, 0, 0), 0.0
    for committed, acknowledged, taken in steps:
        for _ in range(every_s):
            assert watch.look(now_s, {0: at}, 0) == []
            now_s += 1
        at = Position(at.committed + committed + 1, 1000, at.taken + taken, at.acknowledged + acknowledged)


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100), st.integers(1, 50))
def test_whoever_stands_still_is_found_in_time(committed: int, taken: int, acknowledged: int, lag: int) -> None:
    watch = StallWatch(STALL_S)
    at = Position(committed, committed + lag, taken, acknowledged)
    found = [second for second in range(20) if watch.look(float(second), {0: at, 1: READ}, 7)]
    assert found == list(range(int(STALL_S), 20))
    watch.forget()
    assert watch.look(20.0, {0: at}, 7) == []


class StoodStill:
    """An agent with one record that nobody takes."""

    name: ClassVar[str] = "merge"
    source: ClassVar[str] = CHANGES

    def __init__(self, group: str) -> None:
        self.group, self.moved = group, 0
        self.waiting = False

    def waits(self) -> bool:
        return self.waiting

    def progress(self) -> Mapping[int, tuple[int, int]]:
        return {0: (0, 0)}


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerProcess]:
    broker = start_embedded_broker(1)
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
    producer.produce(CHANGES, b"{}", b"a", 0)
    assert producer.flush(10) == 0
    yield broker
    broker.stop()


def ends_of(broker: BrokerProcess, agent: StoodStill, excused: bool, wait_s: float) -> list[str]:
    """What the guard of this agent ends the process with."""
    kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers, embedded=True, partitions=1)
    ended: list[str] = []
    once = threading.Event()

    def end(error: BaseException) -> None:
        ended.append(str(error))
        once.set()

    guard = StallGuard(kafka, [agent], 0.3, lambda: excused, end)
    guard.start()
    once.wait(wait_s)
    guard.stop()
    return ended


def test_the_guard_asks_the_broker(broker: BrokerProcess) -> None:
    said = ends_of(broker, StoodStill("g"), excused=False, wait_s=30)
    assert "the merge agent stands still: catalog.changes/0 is read up to offset 0 of 1" in said[0]


@pytest.mark.parametrize("reason", ["excused", "waiting", "committed"])
def test_whoever_has_a_reason_is_let_be(broker: BrokerProcess, reason: str) -> None:
    agent = StoodStill(reason)
    agent.waiting = reason == "waiting"
    if reason == "committed":
        consumer = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": reason})
        consumer.commit(offsets=[TopicPartition(CHANGES, 0, 1)], asynchronous=False)
        consumer.close()
    assert ends_of(broker, agent, excused=reason == "excused", wait_s=0.8) == []
