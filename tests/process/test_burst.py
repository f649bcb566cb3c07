"""A burst from a producer that nobody holds back: larger than the mock cluster's own log, and nothing of it is lost."""

import os

from confluent_kafka import Consumer, Producer, TopicPartition

from ops.embedded_broker import start_embedded_broker
from schemas.topics import CHANGES

PARTITIONS, RECORDS, RECORD_BYTES = 3, 1800, 15_000


def test_a_burst_fits_into_the_log() -> None:
    broker = start_embedded_broker(PARTITIONS)
    try:
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
        for number in range(RECORDS):
            producer.produce(CHANGES, os.urandom(RECORD_BYTES), str(number), number % PARTITIONS)
            producer.poll(0)
        assert producer.flush(30) == 0
        consumer = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": "burst"})
        ends = [consumer.get_watermark_offsets(TopicPartition(CHANGES, p), timeout=10) for p in range(PARTITIONS)]
        consumer.close()
        assert ends == [(0, RECORDS // PARTITIONS)] * PARTITIONS
    finally:
        broker.stop()
