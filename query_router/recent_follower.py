"""The thread that follows a topic of which only the newest records matter."""

import threading
from collections.abc import Callable
from typing import Any

import msgspec
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from schemas.cluster import ClusterView
from schemas.errors import LookaliveError
from schemas.kafka_clients import end_offsets, make_reader
from schemas.settings import KafkaSettings

# Records per partition that are read again at the start.
RECENT_RECORDS = 200
POLL_S, RETRY_S = 0.2, 1.0

log = structlog.get_logger()


def _say(error: KafkaError) -> None:
    log.debug("kafka_client", error=error.str())


class RecentFollower:
    """Gives a topic's values to `take` in the background, beginning with the newest.

    Nobody waits for it, and a broker that is away is asked again. `take` raises msgspec.DecodeError for what it cannot
    read.
    """

    def __init__(
        self, kafka: KafkaSettings, cluster_view: Callable[[], ClusterView], topic: str, take: Callable[[bytes], None]
    ) -> None:
        self._kafka, self._cluster_view = kafka, cluster_view
        self._topic, self._take_value = topic, take
        self._next: dict[int, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{topic}-follower", daemon=True)

    def start(self) -> None:
        """Begin, where there is a Kafka to follow."""
        if self._kafka.is_named:
            self._thread.start()

    def stop(self) -> None:
        """Begin to end; nobody needs to wait for it."""
        self._stop.set()

    def _run(self) -> None:
        said = False
        while not self._stop.is_set():
            try:
                installation = self._cluster_view().installation
                if installation is not None:
                    self._follow(installation.partitions)
                    said = False
            except (LookaliveError, KafkaException) as error:
                if not said:
                    log.warning("topic_not_followed", topic=self._topic, error=str(error))
                said = True
            self._stop.wait(RETRY_S)

    def _follow(self, partitions: int) -> None:
        # What falls out of the broker before it is read is old: the newest are what is asked for.
        options: dict[str, Any] = {
            "auto.offset.reset": "earliest",
            "queued.max.messages.kbytes": 4096,
            "error_cb": _say,
        }
        consumer = make_reader(
            self._kafka,
            **options,
        )
        try:
            for partition, (low, high) in end_offsets(consumer, self._topic, range(partitions)).items():
                start = max(low, high - RECENT_RECORDS)
                self._next[partition] = min(max(self._next.get(partition, start), low), high)
            consumer.assign([TopicPartition(self._topic, p, offset) for p, offset in self._next.items()])
            while not self._stop.is_set():
                self._take(consumer)
        finally:
            consumer.close()

    def _take(self, consumer: Consumer) -> None:
        message = consumer.poll(POLL_S)
        if message is None:
            return
        if message.error() is not None:
            raise KafkaException(message.error())
        value, partition = message.value(), message.partition()
        self._next[partition or 0] = (message.offset() or 0) + 1
        try:
            if value is not None:
                self._take_value(value)
        except msgspec.DecodeError as error:
            log.warning(
                "record_unreadable", topic=self._topic, partition=partition, offset=message.offset(), error=str(error)
            )
