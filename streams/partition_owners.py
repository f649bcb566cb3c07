"""A worker that was given nothing: fine where others have every partition, an error where nobody has them."""

import asyncio
import time
from collections.abc import Iterable, Mapping

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from schemas.errors import NotReady
from schemas.kafka_clients import common_config
from schemas.settings import KafkaSettings

ANSWER_S, ASK_EVERY_S = 4.0, 2.0
SPARE = "no partitions: other workers have all of {topic}; this one takes over when one of them leaves"
UNKNOWN = "no partitions, and not known yet who has them"

log = structlog.get_logger()


def unowned(admin: AdminClient, group: str, topic: str, partitions: int) -> list[int]:
    """The partitions of a topic that no member of the group has been given.

    Raises:
        NotReady: the broker does not say.
    """
    try:
        (future,) = admin.describe_consumer_groups([group], request_timeout=ANSWER_S).values()
        members = future.result(timeout=2 * ANSWER_S).members
    except (KafkaException, TimeoutError) as error:
        raise NotReady(f"Kafka does not say who is in the group {group}: {error}") from error
    owned = {tp.partition for member in members for tp in member.assignment.topic_partitions if tp.topic == topic}
    return sorted(set(range(partitions)) - owned)


class PartitionOwners:
    """Of the agents that have no partitions, what that means; asked now and then, and only while there are any.

    The embedded broker cannot be asked who is in a group. There a group's leader, which hands nothing out before it
    knows every topic, is trusted.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._admin: AdminClient | None = None
        self._reasons: dict[str, str] = {}
        self._notes: dict[str, str] = {}
        self._next_s = 0.0

    def reason(self, name: str) -> str | None:
        """Why an agent without partitions is not ready; None for one that need not have any."""
        return None if name in self._notes else self._reasons.get(name, UNKNOWN)

    def notes(self) -> Mapping[str, str]:
        """Agents that are ready and have nothing to do."""
        return self._notes

    async def look(self, agents: Iterable[tuple[str, str, str]]) -> None:
        """`agents` are all that have joined their group and have no partitions: name, group and topic."""
        spare = {name: (group, topic) for name, group, topic in agents}
        self._reasons = {name: why for name, why in self._reasons.items() if name in spare}
        self._notes = {name: note for name, note in self._notes.items() if name in spare}
        if not spare or time.monotonic() < self._next_s:
            return
        for name, (group, topic) in spare.items():
            await self._ask(name, group, topic)
        self._next_s = time.monotonic() + ASK_EVERY_S

    async def _ask(self, name: str, group: str, topic: str) -> None:
        try:
            lacking = await asyncio.to_thread(self._unowned, group, topic)
        except NotReady as error:
            log.debug("owners_unknown", agent=name, error=error.message)
            return
        if lacking:
            self._notes.pop(name, None)
            self._reasons[name] = f"no partitions, though nobody has {topic}/{', '.join(map(str, lacking))}"
        else:
            self._reasons.pop(name, None)
            self._notes[name] = SPARE.format(topic=topic)

    def _unowned(self, group: str, topic: str) -> list[int]:
        if self._kafka.embedded:
            return []
        if self._admin is None:
            self._admin = AdminClient(common_config(self._kafka))
        return unowned(self._admin, group, topic, self._kafka.partitions)
