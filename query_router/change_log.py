"""Writing changes into `catalog.changes` from the event loop: a bounded queue, and the broker's answer to each."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from query_router.background import in_daemon_thread
from schemas.backlog import Backlog, Gate, readers_of
from schemas.changes import CatalogChange, encode_change
from schemas.cluster import ClusterView
from schemas.errors import Busy, NotReady, TooLarge
from schemas.kafka_clients import make_producer
from schemas.settings import KafkaSettings
from schemas.topics import CHANGES, partition_of

ACKNOWLEDGED_WITHIN_S = 5.0
MAX_CHANGE_BYTES = 512 * 1024
POLL_S, STOP_S = 0.1, 1.0

log = structlog.get_logger()


class Position(NamedTuple):
    """Where a change was written: partition and offset in `catalog.changes`."""

    partition: int
    offset: int


class ChangeLog:
    """One idempotent producer, made at the first change; at most `limit` changes wait for the broker.

    librdkafka's callbacks come in a thread of this object's own and are handed to the event loop.
    """

    def __init__(self, kafka: KafkaSettings, limit: int, cluster_view: Callable[[], ClusterView]) -> None:
        self._kafka, self._limit, self._cluster_view = kafka, limit, cluster_view
        self._producer: Producer | None = None
        self._gate: Gate | None = None
        self._backlog: Backlog | None = None
        self._making = asyncio.Lock()
        self._asking = asyncio.Lock()
        self._stop = threading.Event()
        self.waiting = 0

    async def write(self, change: CatalogChange) -> Position:
        """Append one change; returns when every replica that must have it has it.

        Raises:
            TooLarge: the change has more bytes than a record may have.
            Busy: too many wait already, or the embedded broker's log is as full as it may be.
            NotReady: the broker did not take it in time; it may still have.
        """
        value = encode_change(change)
        if len(value) > MAX_CHANGE_BYTES:
            raise TooLarge(f"the change has {len(value)} bytes; {MAX_CHANGE_BYTES} are taken")
        if self.waiting >= self._limit:
            raise Busy(f"{self._limit} changes wait for Kafka already", write_queue=self._limit)
        self.waiting += 1
        try:
            # The producer gives up by itself; the longer time is for a broker that cannot even be asked.
            async with asyncio.timeout(ACKNOWLEDGED_WITHIN_S + 1.0):
                return await self._written(change.item_id, value)
        except TimeoutError as error:
            raise _not_taken("no acknowledgement") from error
        finally:
            self.waiting -= 1

    async def stop(self) -> None:
        """Let what waits be written for a moment, then end."""
        self._stop.set()
        producer, self._producer = self._producer, None
        if producer is not None:
            await in_daemon_thread(lambda: producer.flush(STOP_S), "flush-changes")
        if self._backlog is not None:
            await in_daemon_thread(self._backlog.close, "close-backlog")

    async def _written(self, item_id: str, value: bytes) -> Position:
        view = self._cluster_view()
        if view.installation is None:
            raise NotReady("the installation is not known yet")
        producer, gate = await self._made()
        await self._pass(gate)
        partition = partition_of(item_id, view.installation.partitions)
        done: asyncio.Future[Position] = asyncio.get_running_loop().create_future()
        try:
            producer.produce(CHANGES, value, item_id.encode(), partition, on_delivery=_settler(done))
        except BufferError as error:
            raise Busy("the queue of changes to Kafka is full") from error
        except KafkaException as error:
            self._drop_if_fatal(producer, error.args[0])
            raise _not_taken(error.args[0].str()) from error
        gate.note(len(value))
        try:
            return await done
        except KafkaException as error:
            self._drop_if_fatal(producer, error.args[0])
            raise _not_taken(error.args[0].str()) from error

    async def _made(self) -> tuple[Producer, Gate]:
        async with self._making:
            if self._gate is None:
                self._gate = await in_daemon_thread(self._make_gate, "make-gate")
            if self._producer is None:
                self._producer = self._make_producer()
                threading.Thread(target=self._poll, args=(self._producer,), name="change-log", daemon=True).start()
            return self._producer, self._gate

    def _make_gate(self) -> Gate:
        self._backlog = Backlog(self._kafka, CHANGES, lambda: readers_of(CHANGES, self._cluster_view()))
        return Gate(self._backlog, self._kafka)

    def _make_producer(self) -> Producer:
        return make_producer(
            self._kafka,
            **{
                "message.timeout.ms": int(ACKNOWLEDGED_WITHIN_S * 1000),
                "queue.buffering.max.messages": self._limit,
                "error_cb": lambda error: log.debug("kafka_client", error=error.str()),
            },
        )

    def _poll(self, producer: Producer) -> None:
        """Serve callbacks for as long as this is the producer that is used."""
        while not self._stop.is_set():
            producer.poll(POLL_S)
            if self._producer is not producer and not len(producer):
                return

    async def _pass(self, gate: Gate) -> None:
        """Refuse while the embedded broker could drop what nobody has read yet."""
        if not gate.must_ask():
            return
        async with self._asking:
            if gate.must_ask() and not await in_daemon_thread(gate.ask, "ask-backlog"):
                raise Busy("changes come faster than they can be indexed; the broker's log is full")

    def _drop_if_fatal(self, producer: Producer, error: KafkaError) -> None:
        """A producer that met a fatal error takes nothing any more: the next change gets a new one."""
        if error.fatal() or error.code() == KafkaError._FATAL:
            log.warning("producer_failed", error=error.str())
            if self._producer is producer:
                self._producer = None


def _settler(done: "asyncio.Future[Position]") -> Callable[[KafkaError | None, Message], None]:
    """A delivery callback that settles the future in its own loop."""
    loop = done.get_loop()

    def settle(error: KafkaError | None, position: Position) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(position)
        else:
            done.set_exception(KafkaException(error))

    def delivered(error: KafkaError | None, message: Message) -> None:
        position = Position(_number(message.partition()), _number(message.offset()))
        try:
            loop.call_soon_threadsafe(settle, error, position)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    return delivered


def _number(value: Any) -> int:
    return -1 if value is None else int(value)


def _not_taken(why: str) -> NotReady:
    return NotReady(f"Kafka did not take the change: {why}; sending it again is safe", code="no_broker")
