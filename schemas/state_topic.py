"""Topics of one partition and few records, read from their start by everyone: `cluster.state` and `drift.state`."""

import threading
from collections.abc import Callable, Iterable

import structlog
from confluent_kafka import KafkaException, Message, TopicPartition

from schemas.errors import LogError, NotReady
from schemas.kafka_clients import ANSWER_TIMEOUT_S, end_offsets, make_producer, make_reader
from schemas.settings import KafkaSettings

Take = Callable[[Message], None]
POLL_S = 0.2

log = structlog.get_logger()


def append(kafka: KafkaSettings, topic: str, records: Iterable[tuple[str, bytes]]) -> None:
    """Append records, each a key and a value, and return once the broker has acknowledged them.

    Raises:
        NotReady: the broker did not acknowledge them in time.
    """
    failures: list[str] = []
    producer = make_producer(kafka, **{"linger.ms": 0, "message.timeout.ms": int(ANSWER_TIMEOUT_S * 1000)})
    for key, value in records:
        producer.produce(
            topic,
            value,
            key.encode(),
            0,
            on_delivery=lambda error, _: failures.append(error.str()) if error is not None else None,
        )
    if producer.flush(ANSWER_TIMEOUT_S) or failures:
        raise NotReady(f"{topic} could not be written: {failures or 'no acknowledgement'}")


def read_to_end(kafka: KafkaSettings, topic: str, take: Take) -> int:
    """Hand over what is written up to now, in order; the offset after it.

    Raises:
        NotReady: the broker does not answer.
        LogError: a record could not be read; and whatever `take` raises.
    """
    consumer = make_reader(kafka, **{"auto.offset.reset": "earliest"})
    try:
        position, end = end_offsets(consumer, topic, [0])[0]
        consumer.assign([TopicPartition(topic, 0, position)])
        while position < end:
            message = consumer.poll(ANSWER_TIMEOUT_S)
            if message is None:
                raise NotReady(f"{topic} stopped answering at offset {position} of {end}")
            _check(message)
            take(message)
            position = (message.offset() or 0) + 1
    finally:
        consumer.close()
    return position


class TopicFollower:
    """A thread that hands over each record that is written; what cannot be read then is said and passed over."""

    def __init__(self, kafka: KafkaSettings, topic: str, take: Take) -> None:
        self._kafka, self._topic, self._take = kafka, topic, take
        self._position = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"{topic}-follower", daemon=True)

    def start(self, position: int) -> None:
        """Follow in the background from this offset on (see `read_to_end`)."""
        self._position = position
        self._thread.start()

    def stop(self) -> None:
        """Stop following; returns when the thread is gone."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(ANSWER_TIMEOUT_S)

    def _follow(self) -> None:
        consumer = make_reader(self._kafka, **{"auto.offset.reset": "earliest"})
        try:
            consumer.assign([TopicPartition(self._topic, 0, self._position)])
            while not self._stop.is_set():
                message = consumer.poll(POLL_S)
                if message is None:
                    continue
                try:
                    _check(message)
                    self._take(message)
                except (LogError, KafkaException) as error:
                    log.warning("record_unreadable", topic=self._topic, error=str(error))
        finally:
            consumer.close()


def _check(message: Message) -> None:
    error = message.error()
    if error is not None:
        raise LogError(f"{message.topic()}: {error.str()}")
