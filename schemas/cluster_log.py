"""Reading and writing `cluster.state`: one partition, small, read from its start by everyone."""

import threading
from collections.abc import Callable

import msgspec
import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from schemas.cluster import ClusterRecord, ClusterView, decode_cluster_record, encode_cluster_record
from schemas.errors import LogError, NotReady
from schemas.kafka_clients import ANSWER_TIMEOUT_S, end_offsets, make_producer, make_reader
from schemas.settings import KafkaSettings
from schemas.topics import CLUSTER

log = structlog.get_logger()


def publish(kafka: KafkaSettings, *records: ClusterRecord) -> None:
    """Append records and return once the broker has acknowledged them.

    Raises:
        NotReady: the broker did not acknowledge them in time.
    """
    failures: list[str] = []
    producer = make_producer(kafka, **{"linger.ms": 0, "message.timeout.ms": int(ANSWER_TIMEOUT_S * 1000)})
    for record in records:
        producer.produce(
            CLUSTER,
            encode_cluster_record(record),
            record.key().encode(),
            0,
            on_delivery=lambda error, _: failures.append(error.str()) if error is not None else None,
        )
    if producer.flush(ANSWER_TIMEOUT_S) or failures:
        raise NotReady(f"{CLUSTER} could not be written: {failures or 'no acknowledgement'}")


def read_cluster(kafka: KafkaSettings) -> ClusterView:
    """The view of everything written up to now.

    Raises:
        NotReady: the broker does not answer.
        LogError: the topic holds something else than records.
    """
    return _read_to_end(kafka)[0]


def _read_to_end(kafka: KafkaSettings) -> tuple[ClusterView, int]:
    """The view, and the offset after the last record it holds."""
    view = ClusterView()
    consumer = make_reader(kafka, **{"auto.offset.reset": "earliest"})
    try:
        position, end = end_offsets(consumer, CLUSTER, [0])[0]
        _assign(consumer, position)
        while position < end:
            message = consumer.poll(ANSWER_TIMEOUT_S)
            if message is None:
                raise NotReady(f"{CLUSTER} stopped answering at offset {position} of {end}")
            _take(view, message)
            position = (message.offset() or 0) + 1
    finally:
        consumer.close()
    return view, position


class ClusterFollower:
    """A thread that keeps a view current; `on_change` is called in it after each record."""

    def __init__(self, kafka: KafkaSettings, on_change: Callable[[ClusterView], None] | None = None) -> None:
        self.view = ClusterView()
        self._kafka = kafka
        self._on_change = on_change
        self._position = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="cluster-follower", daemon=True)

    def start(self) -> None:
        """Read what is there, then follow in the background."""
        self.view, self._position = _read_to_end(self._kafka)
        self._thread.start()

    def stop(self) -> None:
        """Stop following; returns when the thread is gone."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(ANSWER_TIMEOUT_S)

    def _follow(self) -> None:
        consumer = make_reader(self._kafka, **{"auto.offset.reset": "earliest"})
        try:
            _assign(consumer, self._position)
            while not self._stop.is_set():
                message = consumer.poll(0.2)
                if message is None:
                    continue
                try:
                    _take(self.view, message)
                    if self._on_change is not None:
                        self._on_change(self.view)
                except (LogError, KafkaException) as error:
                    log.warning("cluster_state_unreadable", error=str(error))
        finally:
            consumer.close()


def _assign(consumer: Consumer, position: int) -> None:
    consumer.assign([TopicPartition(CLUSTER, 0, position)])


def _take(view: ClusterView, message: Message) -> None:
    if message.error() is not None:
        raise LogError(f"{CLUSTER}: {message.error().str()}")
    value = message.value()
    if value is None:
        return
    try:
        view.apply(decode_cluster_record(value))
    except msgspec.DecodeError as error:
        raise LogError(f"{CLUSTER}: not a record at offset {message.offset()}: {error}") from error
