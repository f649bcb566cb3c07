"""How far a topic's slowest reader is behind, in bytes, so that our producers can wait for it.

The embedded broker keeps some 5 MiB per partition and drops the oldest without a word. Every group that must still read
a topic commits its offsets (shards commit what their newest snapshot holds); a producer that keeps the unread bytes of
every partition under a budget therefore never makes the broker drop what is still needed. On a real cluster the same
figure is lag, and there is nothing to wait for.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import NamedTuple

import structlog

from schemas.cluster import ClusterView
from schemas.errors import NotReady
from schemas.kafka_clients import committed_offsets, end_offsets, make_reader
from schemas.settings import MIB, KafkaSettings
from schemas.topics import (
    CHANGES,
    MERGE_GROUP,
    RETRIES,
    STATES,
    embed_group,
    partitions_of,
    retry_group,
    shard_group,
    vectors_topic,
)

log = structlog.get_logger()


class Reader(NamedTuple):
    """A consumer group and the partitions of a topic that it must still read."""

    group: str
    partitions: list[int]


def readers_of(topic: str, view: ClusterView) -> list[Reader]:
    """Every group that must have read a topic's records before the broker may drop them."""
    partitions = 0 if view.installation is None else view.installation.partitions
    everything = list(range(partitions))
    if topic == CHANGES:
        return [Reader(MERGE_GROUP, everything)]
    readers: list[Reader] = []
    for generation in view.generations.values():
        if generation.status == "retired" or topic not in (STATES, RETRIES, vectors_topic(generation.name)):
            continue
        if topic == RETRIES:
            readers.append(Reader(retry_group(generation.name), everything))
            continue
        if topic == STATES:
            readers.append(Reader(embed_group(generation.name), everything))
        placed = [] if view.placement is None else view.placement.shards.get(generation.name, [])
        for shard, nodes in enumerate(placed):
            owned = partitions_of(shard, generation.shards, partitions)
            readers.extend(Reader(shard_group(generation.name, shard, node), owned) for node in nodes)
    return readers


class Backlog:
    """The unread records of one topic, as seen by the readers that `readers()` names at each look."""

    def __init__(self, kafka: KafkaSettings, topic: str, readers: Callable[[], Iterable[Reader]]) -> None:
        self._kafka, self._topic, self._readers = kafka, topic, readers
        self._consumer = make_reader(kafka)

    def records(self) -> int:
        """The largest number of unread records of any partition.

        Raises:
            NotReady: the broker does not answer.
        """
        ends = end_offsets(self._consumer, self._topic, range(self._kafka.partitions))
        worst = 0
        for reader in self._readers():
            done = committed_offsets(self._kafka, reader.group, self._topic, reader.partitions)
            worst = max([worst, *(ends[p][1] - max(offset, 0) for p, offset in done.items())])
        return worst

    def close(self) -> None:
        """Give the connection back."""
        self._consumer.close()


class Gate:
    """Lets one producer through while the backlog, at the average size of its own records, is under the budget.

    `note` says what was written; the broker is asked again only after enough bytes to matter, since asking is dear.
    """

    def __init__(self, backlog: Backlog, kafka: KafkaSettings) -> None:
        self._backlog = backlog
        self._budget_bytes = kafka.backlog_mib * MIB
        self._ask_after_bytes = self._budget_bytes * kafka.partitions / 16
        self._enforced = kafka.embedded
        self._written_records, self._written_bytes = 0, 0
        self._unasked_bytes = 0
        self._unread_bytes = 0.0

    def note(self, size_bytes: int) -> None:
        """A record of that many bytes was produced."""
        self._written_records += 1
        self._written_bytes += size_bytes
        self._unasked_bytes += size_bytes

    def ask(self) -> bool:
        """Ask the broker (blocking) whether the producer may go on; False also while it does not answer."""
        average_bytes = self._written_bytes / max(self._written_records, 1)
        try:
            self._unread_bytes = self._backlog.records() * average_bytes
        except NotReady as error:
            log.warning("backlog_unknown", error=str(error))
            return False
        if self._unread_bytes > self._budget_bytes:
            return False
        self._unasked_bytes = 0
        return True

    @property
    def over_budget(self) -> bool:
        """Whether more was unread than may be, when the broker last answered."""
        return self._unread_bytes > self._budget_bytes

    def must_ask(self) -> bool:
        """Whether so much was written since the broker was last asked that it matters."""
        return self._enforced and self._unasked_bytes >= self._ask_after_bytes

    async def wait(self, poll_s: float = 0.1) -> None:
        """Return once the producer may go on."""
        if not self.must_ask():
            return
        said = False
        while not await asyncio.to_thread(self.ask):
            if not said:
                log.info("producer_held_back", unread_mib=round(self._unread_bytes / MIB, 2))
            said = True
            await asyncio.sleep(poll_s)
