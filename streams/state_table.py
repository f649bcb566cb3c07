"""The Faust table of item states: its changelog is `items.state`, and its writes can be waited for."""

import asyncio
from collections.abc import Awaitable
from typing import Any, cast

import faust
from faust.types import TP

from schemas.errors import LogGap, LookaliveError
from schemas.settings import KafkaSettings
from streams.endings import end_now
from streams.gaps import oldest_offsets


class StateTable(faust.Table):  # type: ignore[misc]
    """A table that hands out the future of each write, and refuses to be rebuilt from a changelog with a hole."""

    _last_sent: Awaitable[object] | None = None
    _kafka: KafkaSettings | None = None

    def refuse_gaps(self, kafka: KafkaSettings) -> None:
        """Compare the changelog with what is kept here before it is read; the process ends at a hole."""
        self._kafka = kafka

    def read(self, item_id: str) -> bytes | None:
        """The item's encoded state, in the partition of the current event."""
        try:
            return cast("bytes", self[item_id.encode()])
        except KeyError:
            return None

    def write(self, item_id: str, value: bytes) -> Awaitable[object]:
        """Write the item's state into the partition of the current event; the result is the changelog's answer."""
        self[item_id.encode()] = value
        assert self._last_sent is not None
        return self._last_sent

    def send_changelog(self, *args: Any, **kwargs: Any) -> Any:
        """See `faust.tables.base.Collection.send_changelog`, which every write to the table calls."""
        self._last_sent = super().send_changelog(*args, **kwargs)
        return self._last_sent

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """See `faust.tables.base.Collection.on_rebalance`: the partitions' files are open after it."""
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
