"""Faust's Kafka transport, made to ask again soon and to survive an error while joining a group.

Faust asks the broker to hold an empty fetch for 1.5 s and offers no setting for it. The embedded broker does hold it
that long, whatever arrives meanwhile; and a real broker's held fetch keeps partitions waiting that were resumed since.

An unexpected error while joining a group (the embedded broker answers one when a follower asks for its assignment after
the leader) waits in aiokafka's coordinator until somebody looks at it before it joins again, and Faust never looks.
"""

from typing import Any

import structlog
from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver
from mode import Service

FETCH_WAIT_MS = 50
LOOK_EVERY_S = 0.2

log = structlog.get_logger()


class PromptConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Creates consumers that ask again soon, and lets them join again after an error."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # read when the consumer starts
        return consumer

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
    """A consumer that runs in such a thread."""

    def _new_consumer_thread(self) -> PromptConsumerThread:
        return PromptConsumerThread(self, loop=self.loop, beacon=self.beacon)


class PromptTransport(driver.Transport):  # type: ignore[misc]
    """A transport that makes such consumers."""

    Consumer = PromptConsumer
