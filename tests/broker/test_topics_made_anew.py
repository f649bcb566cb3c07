"""A topic that is gone, made anew or has another partition count is refused, with what happened and what to do."""

import time
import uuid
from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from ops.installation import install
from schemas.cluster import ClusterView, Generation, Installation, Placement
from schemas.errors import LogError
from schemas.kafka_clients import common_config, partition_counts
from schemas.log_identity import check_log, topic_ids
from schemas.settings import KafkaSettings, Settings
from schemas.topics import CHANGES, STATES, base_topics
from tests.process.conftest import RunningSystem

PARTITIONS = 4


class Cluster:
    """The broker's topics as an operator changes them."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self.kafka = kafka
        self.admin = AdminClient(common_config(kafka))

    def make(self, topic: str, partitions: int) -> None:
        self.admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(30)
        self._wait(topic, there=True)

    def delete(self, topic: str) -> None:
        self.admin.delete_topics([topic], operation_timeout=30)[topic].result(30)
        self._wait(topic, there=False)

    def _wait(self, topic: str, *, there: bool) -> None:
        deadline = time.monotonic() + 30
        while (topic in partition_counts(self.admin)) is not there and time.monotonic() < deadline:
            time.sleep(0.1)

    def widen(self, topic: str, partitions: int) -> None:
        self.admin.create_partitions([NewPartitions(topic, partitions)])[topic].result(30)


@pytest.fixture
def cluster(kafka: KafkaSettings) -> Cluster:
    return Cluster(kafka)


@pytest.fixture
def topic(cluster: Cluster) -> str:
    name = f"test-{uuid.uuid4().hex}"
    cluster.make(name, PARTITIONS)
    return name


def installed(cluster: Cluster, topic: str) -> ClusterView:
    view = ClusterView()
    view.apply(Installation(PARTITIONS, "log", topic_ids(cluster.kafka, [topic])))
    return view


def refusal(cluster: Cluster, view: ClusterView, topic: str) -> LogError:
    """What the check says, once the broker has done what it was told."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            check_log(cluster.kafka, view, [topic])
        except LogError as error:
            return error
        time.sleep(0.1)
    raise AssertionError("nothing was noticed")


def test_the_same_topic_passes(cluster: Cluster, topic: str) -> None:
    view = installed(cluster, topic)
    assert view.installation is not None and set(view.installation.topic_ids) == {topic}
    check_log(cluster.kafka, view, [topic])


def test_a_deleted_topic(cluster: Cluster, topic: str) -> None:
    view = installed(cluster, topic)
    cluster.delete(topic)
    assert refusal(cluster, view, topic).code == "no_topic"


def test_a_topic_made_anew(cluster: Cluster, topic: str) -> None:
    view = installed(cluster, topic)
    cluster.delete(topic)
    cluster.make(topic, PARTITIONS)
    assert refusal(cluster, view, topic).code == "topic_recreated"


def test_another_partition_count(cluster: Cluster, topic: str) -> None:
    view = installed(cluster, topic)
    cluster.widen(topic, PARTITIONS + 1)
    error = refusal(cluster, view, topic)
    assert error.code == "partition_mismatch"
    assert f"has {PARTITIONS + 1} partitions" in error.message


def test_vectors_made_anew(cluster: Cluster) -> None:
    name = f"t{uuid.uuid4().hex}"
    cluster.make(f"vectors.{name}", PARTITIONS)
    view = installed(cluster, f"vectors.{name}")
    generation = Generation(
        name=name,
        model="fake",
        fingerprint="f",
        dimension=8,
        shards=1,
        topic_id=topic_ids(cluster.kafka, [f"vectors.{name}"])[f"vectors.{name}"],
    )
    view.apply(generation)
    view.apply(Placement(epoch=1, writer="t", serving=name, shards={name: [["n1"]]}))
    cluster.delete(f"vectors.{name}")
    cluster.make(f"vectors.{name}", PARTITIONS)
    assert refusal(cluster, view, f"vectors.{name}").code == "topic_recreated"


def test_a_running_system_stops_and_the_next_start_refuses(start_system: Callable[..., RunningSystem]) -> None:
    system = start_system(LOOKALIVE_KAFKA__BOOTSTRAP_SERVERS="local", LOOKALIVE_NODE__COUNT="1")
    cluster = Cluster(KafkaSettings(bootstrap_servers=system.endpoints["kafka"]))
    (spec,) = [spec for spec in base_topics(12) if spec.name == CHANGES]
    cluster.delete(CHANGES)
    cluster.make(CHANGES, spec.partitions)
    assert system.process.wait(60) == 1
    said = system.output.read_text()
    assert CHANGES in said and ("made anew" in said or "is gone" in said), said
    assert "made anew" in system.lookalive_words("up", "--kafka", "local")


def test_a_lost_installation_record_is_not_replaced(make_kafka: Callable[..., object]) -> None:
    kafka = KafkaSettings(bootstrap_servers=make_kafka().bootstrap_servers)  # type: ignore[attr-defined]
    cluster = Cluster(kafka)
    cluster.make(STATES, kafka.partitions)
    from schemas.kafka_clients import make_producer

    producer = make_producer(kafka)
    producer.produce(STATES, b"a state", b"item", 0)
    assert producer.flush(30) == 0
    with pytest.raises(LogError, match="no record of an installation"):
        install(Settings(kafka=kafka), ["n1"])
