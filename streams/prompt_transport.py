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

Faust starts four tasks for every record it hands on, so as to stop handing on when the flow is stopped, and keeps books
record by record. Here a whole fetch is handed on under one such watch, and records are acknowledged many at a time.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types.tuples import ack_lock
from mode import Service
from mode.utils.futures import notify

from streams.careful_assignor import CarefulAssignor

FETCH_WAIT_MS = 50
LOOK_EVERY_S = 0.2
# Records of one partition that are handed on before the next one's turn.
SLICE = 64

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

    _n_acked: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._handed_on = asyncio.Event()
        self._handed_on.set()

    def _new_consumer_thread(self) -> PromptConsumerThread:
        return PromptConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[Any, Any]]:  # noqa: ASYNC109  Faust's signature
        """See `faust.transport.consumer.Consumer.getmany`; everything is handed on already, and nothing is left."""
        await self._fetch(timeout)
        nothing: tuple[tuple[Any, Any], ...] = ()
        for item in nothing:
            yield item

    async def _fetch(self, timeout: float) -> None:  # noqa: ASYNC109  as above
        """Fetch once and hand on; where the flow was stopped meanwhile, go back to what is committed."""
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if records is None or self.should_stop:
            return
        if not self.flow_active:
            try:
                await self.perform_seek()
            except Exception as error:  # noqa: BLE001  as Faust has it: it is done again before the flow goes on
                log.warning("not_gone_back", group=self.app.conf.id, error=str(error))
            return
        if self._commit_every is not None and self._n_acked >= self._commit_every:
            self._n_acked = 0
            await self.commit()
        self._handed_on.clear()
        try:
            await self.wait_first(self._hand_on(records, active, generation), self.suspend_flow.wait())
        finally:
            self._handed_on.set()

    async def _hand_on(
        self, records: Mapping[Any, Sequence[Any]], active: Collection[Any] | None, generation: int
    ) -> None:
        """Put a fetch into the channels of whoever reads, while the flow and the assignment are the same.

        Readers have their turn after so many records, whatever partitions these are of: where each brings but a few, a
        turn for each would make many small takes of a fetch.
        """
        count = 0
        for tp, some in slices(records, SLICE):
            if active is not None and tp not in active and tp not in self._buffered_partitions:
                continue
            for record in some:
                if not self.flow_active or self.app.consumer_generation_id != generation:
                    return
                await self._hand_on_one(tp, self._to_message(tp, record))
            count += len(some)
            if count >= SLICE:
                count = 0
                await asyncio.sleep(0)

    async def _hand_on_one(self, tp: Any, message: Any) -> None:
        offset, read = message.offset, self._read_offset[tp]
        if read is not None and offset < read:
            return
        if read and offset - read > 1 and self.app.topics.acks_enabled_for(message.topic):
            await self._add_gap(tp, read + 1, offset)
        await self.callback(message)
        self._read_offset[tp] = offset

    def track_all(self, messages: Iterable[Any]) -> None:
        """See `faust.transport.consumer.Consumer.track_message`: partitions are not given away before these are done.

        Without Faust's sensors, which nobody reads here.
        """
        for message in messages:
            message.tracked = True
            self._unacked_messages.add(message)

    def ack_all(self, messages: Iterable[Any]) -> None:
        """See `faust.transport.consumer.Consumer.ack`, for many records at once."""
        done: dict[Any, list[int]] = {}
        with ack_lock:
            for message in messages:
                if not message.acked:
                    message.acked = True
                    self._unacked_messages.discard(message)
                    done.setdefault(message.tp, []).append(message.offset)
            for tp, offsets in done.items():
                committed, known = self._committed_offset[tp], self._acked_index[tp]
                fresh = [o for o in offsets if (committed is None or o >= committed) and o not in known]
                known.update(fresh)
                self._acked[tp].extend(fresh)
                self._n_acked += len(fresh)
        notify(self._waiting_for_ack)

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

    async def seek_to_committed(self) -> Mapping[Any, int | None]:
        """See `faust.transport.consumer.Consumer.seek_to_committed`; where nothing is committed, nothing counts as it.

        Faust takes offsets for committed whose commit failed. When the first commit of a partition did, as it does when
        a broker has thrown the member out, what is read again would be done again and never acknowledged.
        """
        found: Mapping[Any, int | None] = await super().seek_to_committed()
        self._committed_offset.update({ensure_TP(tp): None for tp, offset in found.items() if not offset})
        return found


class PromptTransport(driver.Transport):  # type: ignore[misc]
    """A transport that makes such consumers."""

    Consumer = PromptConsumer


def slices(records: Mapping[Any, Sequence[Any]], size: int) -> Iterator[tuple[Any, Sequence[Any]]]:
    """The records of a fetch, of each partition so many in turn, so that no long one holds up the others."""
    left = deque((tp, some, 0) for tp, some in records.items())
    while left:
        tp, some, start = left.popleft()
        yield tp, some[start : start + size]
        if start + size < len(some):
            left.append((tp, some, start + size))
