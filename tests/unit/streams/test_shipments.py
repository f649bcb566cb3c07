"""Records that are sent together, and states that are merged together."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from schemas.settings import KafkaSettings
from streams.delivery import Delivery
from streams.merge import StateWrite
from streams.shipment import Outgoing, Shipment
from streams.state_batch import StateBatch
from streams.state_table import StateRow


class Report:
    """A delivery report of the producer's."""

    def __init__(self, partition: int, offset: int, size_bytes: int) -> None:
        self._at = partition, offset
        self._size_bytes = size_bytes

    def topic(self) -> str:
        return "items.state"

    def partition(self) -> int:
        return self._at[0]

    def offset(self) -> int:
        return self._at[1]

    def __len__(self) -> int:
        return self._size_bytes


async def test_a_shipment_is_answered_by_its_last_record_and_every_record_is_noted() -> None:
    noted: list[tuple[object, ...]] = []
    shipment = Shipment(3, lambda *record: noted.append(record))
    for offset in range(3):
        assert not shipment.answer.done()
        shipment.tell(None, Report(offset % 2, offset, 10 + offset))
    await shipment.answer
    assert noted == [("items.state", 0, 0, 10), ("items.state", 1, 1, 11), ("items.state", 0, 2, 12)]
    await Shipment(0, lambda *record: noted.append(record)).answer


async def test_a_lost_record_fails_its_shipment_whatever_comes_after() -> None:
    noted: list[tuple[object, ...]] = []
    shipment = Shipment(3, lambda *record: noted.append(record))
    lost = KafkaError(KafkaError._MSG_TIMED_OUT)
    shipment.tell(lost, Report(0, 0, 1))
    shipment.tell(lost, Report(0, 1, 1))
    shipment.tell(None, Report(0, 2, 1))
    with pytest.raises(KafkaException):
        await shipment.answer
    assert len(noted) == 1


class Shelf:
    """A table that keeps what it is given."""

    def __init__(self) -> None:
        self.states: dict[tuple[int, str], bytes] = {(0, "a"): b"a0"}
        self.writes: list[list[StateRow]] = []

    def read(self, partition: int, item_id: str) -> bytes | None:
        return self.states.get((partition, item_id))

    async def write_all(self, rows: Sequence[StateRow]) -> Awaitable[object]:
        self.writes.append(list(rows))
        answer = asyncio.get_running_loop().create_future()
        answer.set_result(None)
        return answer


async def test_what_was_put_is_read_before_it_is_written_and_written_in_order() -> None:
    shelf = Shelf()
    batch = StateBatch(shelf)
    assert (batch.read(0, "a"), batch.read(1, "a"), batch.read(0, "b")) == (b"a0", None, None)
    batch.put(0, StateWrite("a", b"a1", replay=False))
    batch.put(1, StateWrite("b", b"b1", replay=False, marker=True))
    assert (batch.read(0, "a"), batch.read(1, "b"), batch.read(0, "b")) == (b"a1", b"b1", None)
    batch.put(0, StateWrite("a", b"a2", replay=True))
    assert batch.read(0, "a") == b"a2"
    assert shelf.writes == []
    (answer,) = await batch.write()
    await answer
    assert shelf.writes == [
        [StateRow(0, b"a", b"a1", False), StateRow(1, b"b", b"b1", True), StateRow(0, b"a", b"a2", False)]
    ]
    assert await StateBatch(shelf).write() == []


class Narrow:
    """A producer with room for two records at a time, which the broker takes at the next poll."""

    def __init__(self) -> None:
        self.waiting: list[tuple[bytes, Callable[[None, Report], None]]] = []
        self.sent: list[bytes] = []

    def __len__(self) -> int:
        return len(self.waiting)

    def produce(self, topic: str, value: bytes, key: bytes, partition: int, on_delivery: Any, headers: Any) -> None:
        if len(self.waiting) == 2:
            raise BufferError
        self.waiting.append((value, on_delivery))

    def poll(self, _timeout_s: float) -> None:
        taken, self.waiting = self.waiting, []
        for value, tell in taken:
            tell(None, Report(0, len(self.sent), len(value)))
            self.sent.append(value)


async def test_what_finds_no_room_is_sent_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = Narrow()
    monkeypatch.setattr("streams.delivery.make_producer", lambda kafka, **extra: narrow)
    delivery = Delivery(KafkaSettings())
    delivery.start()
    offsets: list[int] = []
    records = [Outgoing("t", 0, b"k", b"%d" % n) for n in range(7)]
    async with asyncio.timeout(30):
        answer = await delivery.ship(records, lambda topic, partition, offset, size_bytes: offsets.append(offset))
        await answer
    assert narrow.sent == [record.value for record in records]
    assert offsets == list(range(7))
    delivery.stop()
