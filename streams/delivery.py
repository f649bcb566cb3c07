"""An idempotent producer whose deliveries can be awaited in an event loop, without a future per message in Python's own
protocol code: librdkafka batches, compresses and sends in a thread of its own.
"""

import asyncio
from collections.abc import Sequence
from functools import partial

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.kafka_clients import make_producer
from schemas.settings import KafkaSettings
from streams.shipment import Note, Outgoing, Shipment

POLL_S = 0.002
FULL_WAIT_S = 0.01

Offset = asyncio.Future[int]
Headers = list[tuple[str, str | bytes | None]]


class Delivery:
    """Sends records in the order of the calls; each answer is the record's offset, once the broker has it."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._producer: Producer | None = None
        self._some = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to hand out answers, in the running event loop."""
        # A broker may be away for hours; what is on its way is bounded, and nothing of it is given up.
        self._producer = make_producer(self._kafka, **{"message.timeout.ms": 0})
        self._polling = asyncio.create_task(self._poll(), name="delivery-poll")

    def send_now(
        self, topic: str, partition: int, key: bytes, value: bytes | None, headers: Headers | None = None
    ) -> Offset:
        """Send one record; the future raises KafkaException for a lost one.

        Raises:
            BufferError: too many records are on their way.
        """
        assert self._producer is not None
        answer: Offset = asyncio.get_running_loop().create_future()
        self._producer.produce(topic, value, key, partition, on_delivery=partial(_tell, answer), headers=headers)
        self._some.set()
        return answer

    async def ship(self, records: Sequence[Outgoing], note: Note) -> asyncio.Future[None]:
        """Send records in their order; waits while too many are on their way.

        The answer is there once the broker has all of them, and `note` was told of each; it raises KafkaException when
        one is lost.
        """
        assert self._producer is not None
        shipment = Shipment(len(records), note)
        for topic, partition, key, value, said in records:
            headers = None if said is None else list(said)
            while True:
                try:
                    self._producer.produce(topic, value, key, partition, on_delivery=shipment.tell, headers=headers)
                    break
                except BufferError:
                    self._some.set()
                    await asyncio.sleep(FULL_WAIT_S)
        self._some.set()
        return shipment.answer

    def stop(self) -> None:
        """Hand out nothing more: what was not answered was not acknowledged."""
        if self._polling is not None:
            self._polling.cancel()

    async def _poll(self) -> None:
        assert self._producer is not None
        while True:
            if not len(self._producer):
                self._some.clear()
                await self._some.wait()
            self._producer.poll(0)
            await asyncio.sleep(POLL_S)


def _tell(answer: Offset, error: KafkaError | None, message: Message) -> None:
    """Called by `poll`, in the event loop's thread."""
    if answer.done():
        return
    if error is not None:
        answer.set_exception(KafkaException(error))
    else:
        answer.set_result(message.offset() or 0)
