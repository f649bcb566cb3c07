"""Reading and writing `cluster.state`: one partition, small, read from its start by everyone."""

from collections.abc import Callable

import msgspec
from confluent_kafka import Message

from schemas.cluster import ClusterRecord, ClusterView, decode_cluster_record, encode_cluster_record
from schemas.errors import LogError
from schemas.settings import KafkaSettings
from schemas.state_topic import TopicFollower, append, read_to_end
from schemas.topics import CLUSTER


def publish(kafka: KafkaSettings, *records: ClusterRecord) -> None:
    """Append records and return once the broker has acknowledged them.

    Raises:
        NotReady: the broker did not acknowledge them in time.
    """
    append(kafka, CLUSTER, ((record.key(), encode_cluster_record(record)) for record in records))


def read_cluster(kafka: KafkaSettings) -> ClusterView:
    """The view of everything written up to now.

    Raises:
        NotReady: the broker does not answer.
        LogError: the topic holds something else than records.
    """
    return _read(kafka)[0]


class ClusterFollower:
    """A thread that keeps a view current; `on_change` is called in it after each record."""

    def __init__(self, kafka: KafkaSettings, on_change: Callable[[ClusterView], None] | None = None) -> None:
        self.view = ClusterView()
        self._kafka = kafka
        self._on_change = on_change
        self._follower = TopicFollower(kafka, CLUSTER, self._take)

    def start(self) -> None:
        """Read what is there, then follow in the background."""
        self.view, position = _read(self._kafka)
        self._follower.start(position)

    def stop(self) -> None:
        """Stop following; returns when the thread is gone."""
        self._follower.stop()

    def _take(self, message: Message) -> None:
        _take(self.view, message)
        if self._on_change is not None:
            self._on_change(self.view)


def _read(kafka: KafkaSettings) -> tuple[ClusterView, int]:
    """The view, and the offset after the last record it holds."""
    view = ClusterView()
    return view, read_to_end(kafka, CLUSTER, lambda message: _take(view, message))


def _take(view: ClusterView, message: Message) -> None:
    value = message.value()
    if value is None:
        return
    try:
        view.apply(decode_cluster_record(value))
    except msgspec.DecodeError as error:
        raise LogError(f"{CLUSTER}: not a record at offset {message.offset()}: {error}") from error
