"""What an agent takes from its channel, and what the consumer hands on and has acknowledged."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from streams.intake import Intake
from streams.prompt_transport import SLICE, PromptConsumer, slices


class Lying:
    """An app with a channel in which records lie; `tracked` are those that Faust waits for."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Any] = asyncio.Queue()
        self.tracked: list[int] = []
        self.active = True
        self.consumer_generation_id = 1
        self.flow_control = SimpleNamespace(is_active=lambda: self.active)
        self.consumer = SimpleNamespace(track_all=lambda messages: self.tracked.extend(m.offset for m in messages))

    def put(self, *offsets: int) -> None:
        for offset in offsets:
            message = SimpleNamespace(offset=offset, generation_id=self.consumer_generation_id)
            self.queue.put_nowait(SimpleNamespace(message=message))

    def intake(self, limit: int, fill_s: float = 0.0) -> Intake:
        stream = SimpleNamespace(channel=SimpleNamespace(queue=self.queue))
        return Intake(cast("Any", self), stream, limit, fill_s)


async def test_what_lies_there_is_taken_in_order_and_no_more_than_the_limit() -> None:
    lying = Lying()
    intake = lying.intake(3)
    lying.put(*range(7))
    assert [[m.offset for m in await intake.take()] for _ in range(3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert lying.tracked == list(range(7))
    waiting = asyncio.create_task(intake.take())
    await asyncio.sleep(0)
    assert not waiting.done()
    lying.put(7)
    assert [m.offset for m in await waiting] == [7]


async def test_what_comes_from_an_assignment_that_has_ended_is_passed_over() -> None:
    lying = Lying()
    intake = lying.intake(10)
    lying.put(0, 1)
    lying.consumer_generation_id = 2
    lying.put(5)
    assert [m.offset for m in await intake.take()] == [5]
    lying.active = False
    lying.put(6)
    waiting = asyncio.create_task(intake.take())
    while not lying.queue.empty():  # noqa: ASYNC110  until it has been looked at
        await asyncio.sleep(0)
    lying.active = True
    lying.put(7)
    assert [m.offset for m in await waiting] == [7]
    assert lying.tracked == [5, 7]


async def test_a_batch_fills_between_two_takes_and_is_taken_at_once_when_full() -> None:
    lying = Lying()
    intake = lying.intake(3, fill_s=3600.0)
    lying.put(0)
    assert [m.offset for m in await intake.take()] == [0], "the first waits for nobody"
    lying.put(1, 2, 3)
    async with asyncio.timeout(60):
        assert [m.offset for m in await intake.take()] == [1, 2, 3]


@given(lengths=st.lists(st.integers(0, 20), max_size=6), size=st.integers(1, 7))
def test_slices_keep_each_partitions_order_and_give_every_partition_its_turn(lengths: list[int], size: int) -> None:
    records = {partition: list(range(length)) for partition, length in enumerate(lengths)}
    given_out: dict[int, list[int]] = {partition: [] for partition in records}
    turns: list[int] = []
    for partition, some in slices(records, size):
        assert len(some) <= size
        given_out[partition] += some
        turns.append(partition)
    assert given_out == records
    assert turns[: len(lengths)] == list(range(len(lengths)))


@pytest.fixture
def consumer() -> Any:
    """The bookkeeping of a consumer, without a broker."""
    made = cast("Any", PromptConsumer.__new__(PromptConsumer))
    made._unacked_messages = set()
    made._committed_offset = {TP("t", 0): 5, TP("t", 1): None}
    made._acked_index = {TP("t", 0): set(), TP("t", 1): set()}
    made._acked = {TP("t", 0): [], TP("t", 1): []}
    made._n_acked = 0
    made._waiting_for_ack = None
    return made


def message(partition: int, offset: int) -> Any:
    class Message:
        acked = tracked = False
        tp = TP("t", partition)

    found = Message()
    found.offset = offset  # type: ignore[attr-defined]
    return found


def test_many_are_acknowledged_as_each_would_be(consumer: Any) -> None:
    messages = [message(0, 5), message(1, 0), message(0, 6), message(0, 4)]
    consumer.track_all(messages)
    assert consumer._unacked_messages == set(messages)
    consumer.ack_all(messages)
    consumer.ack_all(messages)
    assert consumer._acked == {TP("t", 0): [5, 6], TP("t", 1): [0]}
    assert (consumer._acked_index[TP("t", 0)], consumer._n_acked) == ({5, 6}, 3)
    assert not consumer._unacked_messages
    assert all(m.acked and m.tracked for m in messages)


@pytest.mark.parametrize(
    ("lengths", "takes"),
    [([3] * 10, [30]), ([2 * SLICE, 5], [SLICE, SLICE + 5]), ([SLICE - 1, 2, 4], [SLICE + 1, 4])],
)
async def test_a_fetch_of_many_short_partitions_is_taken_at_once(
    consumer: Any, lengths: list[int], takes: list[int]
) -> None:
    lying: list[int] = []
    taken: list[int] = []

    async def hand_on_one(_tp: Any, offset: int) -> None:
        lying.append(offset)

    async def reader() -> None:
        while True:
            if lying:
                taken.append(len(lying))
                lying.clear()
            await asyncio.sleep(0)

    consumer.app = SimpleNamespace(consumer_generation_id=1)
    consumer.flow_active = True
    consumer._buffered_partitions = set()
    consumer._to_message = lambda _tp, offset: offset
    consumer._hand_on_one = hand_on_one
    reading = asyncio.create_task(reader())
    await asyncio.sleep(0)
    records = {TP("t", partition): list(range(length)) for partition, length in enumerate(lengths)}
    await consumer._hand_on(records, None, 1)
    await asyncio.sleep(0)
    reading.cancel()
    assert taken == takes
