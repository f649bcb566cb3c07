"""Records that were sent together: one answer for all, where a future for each would cost more than the sending."""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message


class Outgoing(NamedTuple):
    """A record to be sent."""

    topic: str
    partition: int
    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, str | bytes | None]] | None = None


Note = Callable[[str, int, int, int], None]
"""Told of each record that the broker has: its topic, its partition, its offset, and the bytes of its value."""


class Shipment:
    """So many records; `answer` is done once the broker has all of them, and raises KafkaException when one is lost."""

    def __init__(self, records: int, note: Note) -> None:
        self.answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = records
        self._note = note
        if not records:
            self.answer.set_result(None)

    def tell(self, error: KafkaError | None, message: Message) -> None:
        """What became of one of them; called in the event loop's thread."""
        if error is not None:
            if not self.answer.done():
                self.answer.set_exception(KafkaException(error))
            return
        self._note(message.topic() or "", message.partition() or 0, message.offset() or 0, len(message))
        self._left -= 1
        if not self._left and not self.answer.done():
            self.answer.set_result(None)
