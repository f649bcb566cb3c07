"""The embedded broker as a process: its topics, its end, and its end with whoever started it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AdminClient

from ops.embedded_broker import BrokerProcess, start_embedded_broker
from schemas.errors import LogError, NotReady
from schemas.kafka_clients import committed_offsets, common_config, ensure_topics, make_reader, partition_counts
from schemas.settings import KafkaSettings
from schemas.topics import STATES, base_topics, generation_topic

STARTS_ONE = (
    "from ops.embedded_broker import start_embedded_broker as s; b = s(1); print(b.process.pid, flush=True); input()"
)


@pytest.fixture
def broker() -> Iterator[BrokerProcess]:
    broker = start_embedded_broker(5, ["vectors.g1"])
    yield broker
    broker.stop()


def kafka_of(broker: BrokerProcess) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=broker.bootstrap_servers, partitions=5, embedded=True)


def test_it_has_every_topic_and_makes_more(broker: BrokerProcess) -> None:
    kafka = kafka_of(broker)
    ensure_topics(kafka, [*base_topics(5), generation_topic("g1", 5)])
    with pytest.raises(LogError):
        ensure_topics(kafka, [generation_topic("g2", 5)])
    broker.create_topic("vectors.g2", 5)
    broker.create_topic("vectors.g2", 5)
    ensure_topics(kafka, [generation_topic("g2", 5)])
    with pytest.raises(LogError, match="5 partitions, not 6"):
        broker.create_topic("vectors.g2", 6)
    assert partition_counts(AdminClient(common_config(kafka)))["cluster.state"] == 1
    with urllib.request.urlopen(f"{broker.control}/healthz", timeout=5) as answer:
        assert json.load(answer)["topics"]["vectors.g2"] == 5


def test_groups_commit_without_joining(broker: BrokerProcess) -> None:
    from confluent_kafka import TopicPartition

    kafka = kafka_of(broker)
    reader = make_reader(kafka, "a-group")
    reader.commit(offsets=[TopicPartition(STATES, 3, 17)], asynchronous=False)
    reader.close()
    assert committed_offsets(kafka, "a-group", STATES, [2, 3]) == {2: -1, 3: 17}
    assert committed_offsets(kafka, "another", STATES, [3]) == {3: -1}


def test_it_ends_in_order_when_told_to() -> None:
    broker = start_embedded_broker(1)
    broker.process.send_signal(signal.SIGTERM)
    assert broker.process.wait(5) == 0
    with pytest.raises(NotReady):
        broker.create_topic("late", 1)
    broker.stop()


def test_it_ends_with_the_process_that_started_it() -> None:
    parent = subprocess.Popen([sys.executable, "-c", STARTS_ONE], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    os.kill(pid, 0)
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the broker outlived its parent")
