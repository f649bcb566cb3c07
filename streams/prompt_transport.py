"""Faust's Kafka transport, made to ask again soon, to survive an error while joining, and to skip nothing afterwards.

Faust asks the broker to hold an empty fetch for 1.5 s and offers no setting for it. The embedded broker does hold it
that long, whatever arrives meanwhile; and a real broker's held fetch keeps partitions waiting that were resumed since.

An unexpected error while joining a group (the embedded broker answers one when a follower asks for its assignment after
the leader) waits in aiokafka's coordinator until somebody looks at it before it joins again, and Faust never looks.

After a rebalance Faust resumes its partitions first and seeks to the committed offsets then. Records fetched in between
are handed on although they lie ahead, and those that follow the seek are taken for old ones and dropped (seen with two
workers under load). So nothing is handed on here between the two. And aiokafka's seek passes over partitions of which
nothing is committed yet: what was fetched of them and dropped would never come again (seen after a kill before a first
commit). Those are read from their beginning here.

Faust's own watch over partitions takes it for a hanging agent when a stream's records are acknowledged in batches, and
says so for every partition every second once it runs for five minutes. What stands still shows in the group's lag.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver
from mode import Service

from streams.careful_assignor import CarefulAssignor

FETCH_WAIT_MS = 20
LOOK_EVERY_S = 0.2

log = structlog.get_logger()


class PromptConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Creates consumers that ask again soon, and lets them join again after an error."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Both are read when the consumer starts.
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        consumer._partition_assignment_strategy = [CarefulAssignor(self._assignor)]
        return consumer

    async def seek_to_committed(self) -> Mapping[Any, int | None]:
        """See `aiokafka.AIOKafkaConsumer.seek_to_committed`; partitions without a commit begin again as well."""
        found: Mapping[Any, int | None] = await super().seek_to_committed()
        changelogs = self.app.tables.changelog_topics
        fresh = [tp for tp, offset in found.items() if not offset and tp.topic not in changelogs]
        if fresh:
            await self.seek_to_beginning(*fresh)
        return found

    def verify_event_path(self, now: float, tp: Any) -> None:
        """Say nothing."""

    def verify_recovery_event_path(self, now: float, tp: Any) -> None:
        """Say nothing."""

    @Service.task  # type: ignore[untyped-decorator]
    async def _look_at_errors(self) -> None:
        while not self.should_stop:
            await self.sleep(LOOK_EVERY_S)
            coordinator = getattr(self._consumer, "_coordinator", None)
            if coordinator is None:
                continue
            try:
                coordinator.check_errors()
            except KafkaError as error:
                if coordinator._coordination_task.done():
                    raise
                log.warning("joining_again", group=self.app.conf.id, error=str(error))


class PromptConsumer(driver.Consumer):  # type: ignore[misc]
    """A consumer that runs in such a thread, and hands nothing on until it reads from the committed offsets."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._handed_on = asyncio.Event()
        self._handed_on.set()

    def _new_consumer_thread(self) -> PromptConsumerThread:
        return PromptConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[Any, Any]]:  # noqa: ASYNC109  Faust's signature
        """See `faust.transport.consumer.Consumer.getmany`; while it is suspended, a record is being handed on."""
        try:
            async for item in super().getmany(timeout):
                self._handed_on.clear()
                yield item
                self._handed_on.set()
        finally:
            self._handed_on.set()

    def resume_partitions(self, tps: Iterable[Any]) -> None:
        """See `faust.transport.consumer.Consumer.resume_partitions`; Faust resumes the flow itself after its seek."""
        tps = set(tps)
        if any(not self._is_changelog_tp(tp) for tp in tps):
            self.stop_flow()
        super().resume_partitions(tps)

    async def perform_seek(self) -> None:
        """See `faust.transport.consumer.Consumer.perform_seek`; whatever was being handed on is through before it."""
        await self._handed_on.wait()
        await super().perform_seek()


class PromptTransport(driver.Transport):  # type: ignore[misc]
    """A transport that makes such consumers."""

    Consumer = PromptConsumer
