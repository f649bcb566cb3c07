"""Reading `catalog.rejects`."""

from confluent_kafka import TopicPartition

from ops.catalog_writer import installed_partitions
from schemas.cluster_log import read_cluster
from schemas.errors import NotReady
from schemas.kafka_clients import ANSWER_TIMEOUT_S, end_offsets, make_reader
from schemas.rejects import Reject, decode_reject
from schemas.settings import KafkaSettings
from schemas.topics import REJECTS


def read_rejects(kafka: KafkaSettings, limit: int, reason: str | None = None) -> list[Reject]:
    """The newest `limit` rows, newest first by the time of the refused record; of one reason when one is given.

    Raises:
        NotReady: the broker does not answer.
    """
    partitions = installed_partitions(read_cluster(kafka))
    reader = make_reader(kafka, **{"auto.offset.reset": "earliest"})
    rows: list[Reject] = []
    try:
        ends = end_offsets(reader, REJECTS, range(partitions))
        left = {p: high for p, (low, high) in ends.items() if high > low}
        reader.assign([TopicPartition(REJECTS, p, ends[p][0]) for p in left])
        while left:
            message = reader.poll(ANSWER_TIMEOUT_S)
            if message is None or message.error() is not None:
                raise NotReady(f"{REJECTS} stopped answering")
            value = message.value()
            if value is not None:
                rows.append(decode_reject(value))
            partition = message.partition()
            if partition in left and (message.offset() or 0) + 1 >= left[partition]:
                del left[partition]
    finally:
        reader.close()
    wanted = [r for r in rows if reason is None or r.reason == reason]
    return sorted(wanted, key=lambda r: r.origin.time_us, reverse=True)[:limit]
