"""A first commit that failed: what is read again is acknowledged again, and committed then."""

from collections import defaultdict
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.prompt_transport import PromptConsumer

FRESH, KNOWN = TP("changes", 0), TP("changes", 1)


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """One that took four and seven records for committed, of which the broker has none and five."""

    async def found(_: Any) -> Mapping[TP, int | None]:
        return {FRESH: None, KNOWN: 5}

    monkeypatch.setattr(driver.Consumer, "seek_to_committed", found)
    consumer = object.__new__(PromptConsumer)
    consumer._handed_on = SimpleNamespace(wait=_at_once)
    consumer._committed_offset = defaultdict(lambda: None, {FRESH: 4, KNOWN: 7})
    consumer._read_offset = defaultdict(lambda: None)
    consumer._acked, consumer._acked_index = defaultdict(list), defaultdict(set)
    consumer._unacked_messages, consumer._n_acked, consumer._waiting_for_ack = set(), 0, None
    return consumer


async def _at_once() -> None:
    pass


def messages(tp: TP, *offsets: int) -> list[Any]:
    return [SimpleNamespace(tp=tp, offset=offset, acked=False) for offset in offsets]


async def test_it_counts_for_nothing(consumer: Any) -> None:
    consumer._unacked_messages = SimpleNamespace(discard=lambda message: None)
    consumer.ack_all(messages(FRESH, 0, 1, 2, 3))
    assert consumer._acked[FRESH] == [], "taken for committed"

    await consumer.perform_seek()
    consumer.ack_all(messages(FRESH, 0, 1, 2, 3) + messages(KNOWN, 5, 6))
    assert consumer._acked == {FRESH: [0, 1, 2, 3], KNOWN: [5, 6]}
    assert consumer._read_offset == {FRESH: None, KNOWN: 5}
