"""Where partitions end now, asked again and again with one connection."""

import asyncio
from collections.abc import Iterable

from schemas.kafka_clients import end_offsets, make_reader
from schemas.settings import KafkaSettings


class LogEnds:
    """The partitions of one topic."""

    def __init__(self, kafka: KafkaSettings, topic: str) -> None:
        self._reader, self._topic = make_reader(kafka), topic

    async def of(self, partitions: Iterable[int]) -> dict[int, tuple[int, int]]:
        """Per partition, the oldest offset kept and the one after the newest.

        Raises:
            NotReady: the broker does not answer.
        """
        return await asyncio.to_thread(end_offsets, self._reader, self._topic, sorted(partitions))
