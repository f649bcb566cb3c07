"""How our Kafka clients are configured, in one place; works against real clusters and the embedded broker."""

from collections.abc import Iterable
from typing import Any

import stamina
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.error import KafkaError

from schemas.errors import LogError, NotReady, SettingsError
from schemas.kafka_security import librdkafka_security
from schemas.settings import KafkaSettings
from schemas.topics import TopicSpec

ANSWER_TIMEOUT_S = 10.0
LEADER_S = 5.0
MAX_MESSAGE_BYTES = 8_000_000


def common_config(kafka: KafkaSettings) -> dict[str, Any]:
    """What every librdkafka client shares.

    Raises:
        NotReady: no cluster is named.
        SettingsError: what is set about encryption and log-in does not fit together.
    """
    if not kafka.is_named:
        raise NotReady("no Kafka: set LOOKALIVE_KAFKA__BOOTSTRAP_SERVERS to host:port, or run `lookalive up`")
    return librdkafka_security(kafka) | {
        "bootstrap.servers": kafka.bootstrap_servers,
        "log_level": 2,
        "socket.keepalive.enable": True,
        "reconnect.backoff.max.ms": 2000,
        "topic.metadata.refresh.interval.ms": 30_000,
    }


def make_producer(kafka: KafkaSettings, **extra: Any) -> Producer:
    """An idempotent producer; callers name the partition (`schemas.topics.partition_of`)."""
    return Producer(
        common_config(kafka)
        | {
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 5,
            "partitioner": "murmur2_random",
            "message.max.bytes": MAX_MESSAGE_BYTES,
            # Batches over 1 MB can become unreadable on the embedded broker.
            "batch.size": 500_000,
            "queue.buffering.max.kbytes": 65_536,
        }
        | extra
    )


def make_reader(kafka: KafkaSettings, group: str = "lookalive.reader", **extra: Any) -> Consumer:
    """A consumer for manual assignment; an offset that is not there any more is an error, never a jump."""
    return Consumer(
        common_config(kafka)
        | {
            "group.id": group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": False,
            "fetch.message.max.bytes": MAX_MESSAGE_BYTES,
            "fetch.wait.max.ms": 50,
            "fetch.error.backoff.ms": 100,
            "queued.max.messages.kbytes": 32_768,
        }
        | extra
    )


def ensure_topics(kafka: KafkaSettings, specs: Iterable[TopicSpec]) -> None:
    """Create what is missing on a real cluster and check the partition counts of what is there.

    The embedded broker makes its topics itself (it answers no CreateTopics), so there only the counts are checked.

    Raises:
        LogError: a topic has another partition count than this installation.
        NotReady: the cluster does not answer.
    """
    wanted = {spec.name: spec for spec in specs}
    admin = AdminClient(common_config(kafka))
    have = partition_counts(admin)
    missing = [spec for name, spec in wanted.items() if name not in have]
    if missing and kafka.embedded:
        raise LogError(f"the embedded broker lacks the topics {[s.name for s in missing]}", code="no_topic")
    _create(admin, missing, kafka.replication)
    for name, spec in wanted.items():
        if name in have and have[name] != spec.partitions:
            raise LogError(
                f"topic {name} has {have[name]} partitions, this installation has {spec.partitions}",
                code="partition_mismatch",
                topic=name,
            )


def partition_counts(admin: AdminClient, timeout_s: float = ANSWER_TIMEOUT_S) -> dict[str, int]:
    """Every topic of the cluster and how many partitions it has."""
    try:
        metadata = admin.list_topics(timeout=timeout_s)
    except KafkaException as error:
        raise NotReady(f"Kafka does not answer: {error.args[0].str()}") from error
    return {name: len(topic.partitions) for name, topic in metadata.topics.items() if topic.error is None}


def first_counts(kafka: KafkaSettings) -> dict[str, int]:
    """`partition_counts` of a cluster that may be asked for the first time.

    Raises:
        SettingsError: it refuses the log-in or the certificates, in its own words.
        NotReady: it does not answer.
    """
    refused: list[str] = []

    def note(error: KafkaError) -> None:
        if error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL):
            refused.append(error.str())

    admin = AdminClient(common_config(kafka) | {"error_cb": note})
    try:
        return partition_counts(admin)
    except NotReady as error:
        admin.poll(0)
        if not refused:
            message = f"{error.message}; asked {kafka.bootstrap_servers} (LOOKALIVE_KAFKA__BOOTSTRAP_SERVERS)"
            raise NotReady(message) from error
        raise SettingsError(
            f"Kafka refuses {kafka.security_protocol} (LOOKALIVE_KAFKA__SASL_*, LOOKALIVE_KAFKA__SSL_*): {refused[0]}"
        ) from error


def _create(admin: AdminClient, specs: list[TopicSpec], replication: int) -> None:
    if not specs:
        return
    new = [NewTopic(s.name, s.partitions, replication, config=s.config) for s in specs]
    for name, future in admin.create_topics(new, operation_timeout=ANSWER_TIMEOUT_S).items():
        try:
            future.result(timeout=2 * ANSWER_TIMEOUT_S)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise LogError(f"topic {name} could not be created: {error.args[0].str()}") from error


def end_offsets(consumer: Consumer, topic: str, partitions: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Per partition, the oldest offset kept and the one after the newest, as the broker has them now."""
    try:
        for attempt in stamina.retry_context(on=_passes, attempts=None, timeout=LEADER_S, wait_max=0.5):
            with attempt:
                return {
                    p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=ANSWER_TIMEOUT_S)
                    for p in partitions
                }
        raise AssertionError("the last attempt raises")
    except KafkaException as error:
        raise NotReady(f"Kafka does not answer for {topic}: {error.args[0].str()}") from error


def kept_offsets(kafka: KafkaSettings, topic: str, partitions: Iterable[int]) -> dict[int, tuple[int, int]]:
    """The same as `end_offsets`, asked by a reader of its own."""
    reader = make_reader(kafka)
    try:
        return end_offsets(reader, topic, partitions)
    finally:
        reader.close()


def _passes(error: Exception) -> bool:
    """Whether a partition only has no leader yet: it was just made, or its broker just came back."""
    return isinstance(error, KafkaException) and error.args[0].code() in (
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    )


def committed_offsets(kafka: KafkaSettings, group: str, topic: str, partitions: Iterable[int]) -> dict[int, int]:
    """Per partition, the offset this group has committed; -1 where it never did."""
    consumer = make_reader(kafka, group)
    try:
        asked = [TopicPartition(topic, p) for p in partitions]
        return {tp.partition: max(tp.offset, -1) for tp in consumer.committed(asked, timeout=ANSWER_TIMEOUT_S)}
    except KafkaException as error:
        raise NotReady(f"Kafka does not answer for {group}: {error.args[0].str()}") from error
    finally:
        consumer.close()
