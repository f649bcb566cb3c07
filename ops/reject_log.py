"""Reading `catalog.rejects`."""

from confluent_kafka import TopicPartition

from ops.catalog_writer import installed_partitions
from schemas.cluster_log import read_cluster
from schemas.errors import NotReady
from schemas.kafka_clients import ANSWER_TIMEOUT_S, end_offsets, kept_offsets, make_reader
from schemas.rejects import Reject, decode_reject
from schemas.settings import KafkaSettings
from schemas.topics import REJECTS


def reject_ends(kafka: KafkaSettings) -> dict[int, int]:
    """Where the rejects end now, per partition: what comes later is after this moment."""
    partitions = installed_partitions(read_cluster(kafka))
    return {p: high for p, (_, high) in kept_offsets(kafka, REJECTS, range(partitions)).items()}


def read_rejects(
    kafka: KafkaSettings, limit: int, reason: str | None = None, since: dict[int, int] | None = None
) -> list[Reject]:
    """The newest `limit` rows, newest first by the time of the refused record; of one reason when one is given.

    `since` leaves away what was there at an earlier `reject_ends`. Rows that are the same to the byte count once: a
    worker that is killed between a refusal and its commit refuses the record again.

    Raises:
        NotReady: the broker does not answer.
    """
    partitions = installed_partitions(read_cluster(kafka))
    reader = make_reader(kafka, **{"auto.offset.reset": "earliest"})
    rows: dict[bytes, Reject] = {}
    try:
        ends = end_offsets(reader, REJECTS, range(partitions))
        starts = {p: max(low, (since or {}).get(p, 0)) for p, (low, _) in ends.items()}
        left = {p: high for p, (_, high) in ends.items() if high > starts[p]}
        reader.assign([TopicPartition(REJECTS, p, starts[p]) for p in left])
        while left:
            message = reader.poll(ANSWER_TIMEOUT_S)
            if message is None or message.error() is not None:
                raise NotReady(f"{REJECTS} stopped answering after {len(rows)} rows; try again when Kafka answers")
            value = message.value()
            if value is not None:
                rows[value] = decode_reject(value)
            partition = message.partition()
            if partition in left and (message.offset() or 0) + 1 >= left[partition]:
                del left[partition]
    finally:
        reader.close()
    wanted = [r for r in rows.values() if reason is None or r.reason == reason]
    return sorted(wanted, key=lambda r: r.origin.time_us, reverse=True)[:limit]
