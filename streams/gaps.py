"""Holes in the log: changes the broker dropped before their reader came are said, never skipped."""

from collections.abc import Iterable

from confluent_kafka import TopicPartition

from schemas.errors import LogGap, NotReady
from schemas.kafka_clients import ANSWER_TIMEOUT_S, committed_offsets, end_offsets, kept_offsets, make_reader
from schemas.settings import KafkaSettings


def check_gaps(kafka: KafkaSettings, group: str, topic: str) -> None:
    """Compare what the group has read with what the broker still keeps.

    A group that never read is at offset 0 on the embedded broker, whose log begins with the installation; on a real
    cluster it begins with the oldest record kept.

    Raises:
        LogGap: a partition's records were dropped before the group read them.
        NotReady: the broker does not answer.
    """
    partitions = range(kafka.partitions)
    positions = read_positions(kafka, group, topic, partitions)
    for partition, oldest in oldest_offsets(kafka, topic, partitions).items():
        wanted = positions[partition]
        if wanted < oldest:
            raise LogGap(topic, partition, wanted, oldest)


def read_positions(kafka: KafkaSettings, group: str, topic: str, partitions: Iterable[int]) -> dict[int, int]:
    """Per partition, the next offset the group must read: where nothing is committed, the log's first."""
    committed = committed_offsets(kafka, group, topic, partitions)
    unread = [p for p, offset in committed.items() if offset < 0]
    first = dict.fromkeys(unread, 0) if kafka.embedded or not unread else oldest_offsets(kafka, topic, unread)
    return committed | first


def oldest_offsets(kafka: KafkaSettings, topic: str, partitions: Iterable[int]) -> dict[int, int]:
    """Per partition, the oldest offset the broker keeps."""
    return {p: oldest for p, (oldest, _) in kept_offsets(kafka, topic, partitions).items()}


def first_kept(kafka: KafkaSettings, topic: str, partition: int, wanted: int) -> int:
    """The offset of the first record at or after `wanted` that the broker keeps.

    Raises:
        LogGap: records from `wanted` on were dropped.
        NotReady: the broker does not answer.
    """
    reader = make_reader(kafka)
    try:
        oldest, _ = end_offsets(reader, topic, [partition])[partition]
        if wanted < oldest:
            raise LogGap(topic, partition, wanted, oldest)
        reader.assign([TopicPartition(topic, partition, wanted)])
        message = reader.poll(ANSWER_TIMEOUT_S)
        if message is None or message.error() is not None:
            raise NotReady(f"{topic}/{partition} cannot be read at offset {wanted}")
        return int(message.offset() or 0)
    finally:
        reader.close()


class OffsetWatch:
    """Sees that a consumer's offsets have no holes, partition by partition, within one assignment.

    Offsets of the embedded broker are contiguous. Those of a real one have holes of their own (compaction,
    transactions), so that there only the first record of each partition is looked at: rebalances are where records get
    lost. A new generation of the group may start again anywhere at or before what is committed.
    """

    def __init__(self, *, contiguous: bool) -> None:
        self._contiguous = contiguous
        self._generation: int | None = None
        self._wanted: dict[int, int] = {}
        self._begun: set[int] = set()

    def is_new(self, generation: int) -> bool:
        """Whether this is the first record of a new assignment: `begin` comes first then."""
        return generation != self._generation

    def begin(self, generation: int, positions: dict[int, int]) -> None:
        """A new assignment, with the positions its partitions are read from at the latest."""
        self._generation = generation
        self._wanted = dict(positions)
        self._begun = set()

    def wanted(self, partition: int) -> int:
        """The next offset of a partition; -1 before anything is known of it."""
        return self._wanted.get(partition, -1)

    def jump(self, partition: int, offset: int) -> int | None:
        """The offset that was expected before this one, when there is reason to ask the broker about it."""
        wanted = self._wanted.get(partition)
        asked = self._contiguous or partition not in self._begun
        self._wanted[partition] = offset + 1
        self._begun.add(partition)
        return wanted if wanted is not None and asked and offset > wanted else None
