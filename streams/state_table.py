"""The Faust table of item states: its changelog is `items.state`, and its writes can be waited for."""

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import cast

import faust
from faust.types import TP

from schemas.errors import LogGap, LookaliveError
from schemas.settings import KafkaSettings
from streams.delivery import Delivery, Offset
from streams.endings import end_now
from streams.gaps import oldest_offsets

NOTED_EVERY, NOTED_EVERY_BYTES = 256, 1024 * 1024


class StateTable(faust.Table):  # type: ignore[misc]
    """A table that is read and written by partition, and refuses to be rebuilt from a changelog with a hole.

    Faust writes to the partition of the event that its stream is at, one message object, future and note on disk per
    write. Here the partition is said, and a producer of ours, `delivery`, is asked. What is on disk and what its
    changelog holds are the same bytes either way, so that Faust recovers from them.
    """

    _kafka: KafkaSettings | None = None
    delivery: Delivery | None = None
    _unnoted: dict[TP, int]
    _unnoted_writes, _unnoted_bytes = 0, 0

    def refuse_gaps(self, kafka: KafkaSettings) -> None:
        """Compare the changelog with what is kept here before it is read; the process ends at a hole."""
        self._kafka = kafka

    def holds(self, partition: int) -> bool:
        """Whether the partition's file is open here: it is, from its assignment until it is given away."""
        return partition in self.data._dbs

    def read(self, partition: int, item_id: str) -> bytes | None:
        """The item's encoded state."""
        return cast("bytes | None", self.data._db_for_partition(partition).get(item_id.encode()))

    async def write(self, partition: int, item_id: str, value: bytes) -> Awaitable[object]:
        """Write the item's state; the result is the changelog's answer. Writes go out in the order of the calls.

        A crash between the file and the changelog is mended by the change itself, which comes again, is known as
        applied, and has its state written again.
        """
        key = item_id.encode()
        assert self.delivery is not None
        self.data._db_for_partition(partition).put(key, value)
        topic = self.changelog_topic.get_topic_name()
        sent = await self.delivery.send(topic, partition, key, value)
        sent.add_done_callback(partial(self._on_sent, tp=TP(topic, partition), size_bytes=len(value)))
        return sent

    def _on_sent(self, sent: Offset, tp: TP, size_bytes: int) -> None:
        """Note on disk how far the file agrees with the changelog; now and then, since a lower figure only means that
        some records are read again at a start.
        """
        if sent.cancelled() or sent.exception() is not None:
            return  # whoever waits for the write says so
        self._unnoted[tp] = sent.result()
        self._unnoted_writes += 1
        self._unnoted_bytes += size_bytes
        if self._unnoted_writes >= NOTED_EVERY or self._unnoted_bytes >= NOTED_EVERY_BYTES:
            for noted, offset in self._unnoted.items():
                if self.holds(noted.partition):
                    self.data.set_persisted_offset(noted, offset)
            self._unnoted = {}
            self._unnoted_writes, self._unnoted_bytes = 0, 0

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """See `faust.tables.base.Collection.on_rebalance`: the partitions' files are open after it."""
        self._unnoted = {}
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)
        if self._kafka is None:
            return
        mine = [tp for tp in newly_assigned if tp.topic in self.changelog_topic.topics]
        try:
            await asyncio.to_thread(self._check, self._kafka, mine)
        except LookaliveError as error:
            end_now(error)

    def _check(self, kafka: KafkaSettings, tps: list[TP]) -> None:
        topic = self.changelog_topic.get_topic_name()
        oldest = oldest_offsets(kafka, topic, [tp.partition for tp in tps])
        for tp in tps:
            kept = self.persisted_offset(tp)
            wanted = 0 if kept is None else kept + 1
            if wanted < oldest[tp.partition]:
                raise LogGap(topic, tp.partition, wanted, oldest[tp.partition])
