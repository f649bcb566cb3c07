"""Faust's Kafka transport with a short long-poll.

Faust asks the broker to hold an empty fetch for 1.5 s and offers no setting for it. The embedded broker does hold it
that long, whatever arrives meanwhile; and a real broker's held fetch keeps partitions waiting that were resumed since.
"""

from typing import Any

from faust.transport.drivers import aiokafka as driver

FETCH_WAIT_MS = 50


class PromptConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Creates consumers that ask again soon."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer


class PromptConsumer(driver.Consumer):  # type: ignore[misc]
    """A consumer that runs in such a thread."""

    def _new_consumer_thread(self) -> PromptConsumerThread:
        return PromptConsumerThread(self, loop=self.loop, beacon=self.beacon)


class PromptTransport(driver.Transport):  # type: ignore[misc]
    """A transport that makes such consumers."""

    Consumer = PromptConsumer
