"""Writing changes into `catalog.changes`: held back where the broker needs it, acknowledged at the flush."""

import time
from collections.abc import Callable
from typing import Any

import msgspec
from confluent_kafka import KafkaException, Message

from schemas.backlog import Backlog, Gate, readers_of
from schemas.changes import CatalogChange, encode_change
from schemas.cluster import ClusterView
from schemas.cluster_log import read_cluster
from schemas.errors import NotReady
from schemas.kafka_clients import make_producer
from schemas.settings import KafkaSettings
from schemas.topics import CHANGES, partition_of

FLUSH_S = 30.0
HELD_POLL_S = 0.1


def now_us() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


class CatalogWriter:
    """A producer of changes; `close()` returns only when every change is acknowledged by the broker."""

    def __init__(self, kafka: KafkaSettings, clock_us: Callable[[], int] = now_us) -> None:
        view = read_cluster(kafka)
        self._partitions = installed_partitions(view)
        self._producer = make_producer(kafka)
        self._clock_us = clock_us
        self._failures: list[str] = []
        self._backlog = Backlog(kafka, CHANGES, lambda: readers_of(CHANGES, view))
        self._gate = Gate(self._backlog, kafka)
        self.written = 0

    def write(self, change: CatalogChange) -> None:
        """Queue one change; waits while the broker's log is as full as it may be. An absent time becomes now."""
        if change.time_us is None:
            change = msgspec.structs.replace(change, time_us=self._clock_us())
        key = change.item_id.encode()
        self.write_record(partition_of(change.item_id, self._partitions), key, encode_change(change))

    def write_record(
        self, partition: int, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]] | None = None
    ) -> None:
        """Queue one record as it is; waits while the broker's log is as full as it may be."""
        while self._gate.must_ask() and not self._gate.ask():
            self._producer.poll(HELD_POLL_S)
        while True:
            try:
                self._producer.produce(
                    CHANGES, value, key, partition, headers=headers or [], on_delivery=self._delivered
                )
                break
            except BufferError:
                self._producer.poll(HELD_POLL_S)
        self._producer.poll(0)
        self._gate.note(len(value or b""))
        self.written += 1

    def unacknowledged(self) -> int:
        """How many changes the broker has not acknowledged yet."""
        self._producer.poll(0)  # an acknowledgement that nobody took note of would count
        return len(self._producer)

    def flush(self) -> None:
        """Return when everything written is acknowledged.

        Raises:
            NotReady: the broker did not take it all.
        """
        left = self._producer.flush(FLUSH_S)
        if left or self._failures:
            raise NotReady(
                f"{left + len(self._failures)} changes were not taken by Kafka: {self._failures[:3] or 'time-out'}; "
                "send them again when it answers: a change that comes twice counts once"
            )

    def close(self) -> None:
        """Flush, and give the connections back."""
        try:
            self.flush()
        finally:
            self._backlog.close()

    def _delivered(self, error: Any, _message: Message) -> None:
        if error is not None:
            self._failures.append(KafkaException(error).args[0].str())


def installed_partitions(view: ClusterView) -> int:
    """The installation's partition count; NotReady when nothing was installed yet."""
    if view.installation is None:
        raise NotReady("this Kafka holds no lookalive installation yet: start `lookalive up` with it first")
    return view.installation.partitions
