"""Reading and writing `drift.state`."""

import msgspec
from confluent_kafka import Message

from schemas.drift_records import DriftRecord, DriftView, decode_drift_record, encode_drift_record
from schemas.errors import LogError
from schemas.settings import KafkaSettings
from schemas.state_topic import TopicFollower, append, read_to_end
from schemas.topics import DRIFT


def publish_drift(kafka: KafkaSettings, *records: DriftRecord) -> None:
    """Append records and return once the broker has acknowledged them.

    Raises:
        NotReady: the broker did not acknowledge them in time.
    """
    append(kafka, DRIFT, ((record.key(), encode_drift_record(record)) for record in records))


def read_drift(kafka: KafkaSettings) -> DriftView:
    """The view of everything written up to now.

    Raises:
        NotReady: the broker does not answer, or has no such topic.
        LogError: the topic holds something else than records.
    """
    return _read(kafka)[0]


class DriftFollower:
    """A thread that keeps a view current."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self.view = DriftView()
        self._kafka = kafka
        self._follower = TopicFollower(kafka, DRIFT, lambda message: _take(self.view, message))

    def start(self) -> None:
        """Read what is there, then follow in the background; raises as `read_drift` does."""
        self.view, position = _read(self._kafka)
        self._follower.start(position)

    def stop(self) -> None:
        """Stop following; returns when the thread is gone."""
        self._follower.stop()


def _read(kafka: KafkaSettings) -> tuple[DriftView, int]:
    view = DriftView()
    return view, read_to_end(kafka, DRIFT, lambda message: _take(view, message))


def _take(view: DriftView, message: Message) -> None:
    value = message.value()
    if value is None:
        return
    try:
        view.apply(decode_drift_record(value))
    except msgspec.DecodeError as error:
        raise LogError(f"{DRIFT}: not a record at offset {message.offset()}: {error}") from error
