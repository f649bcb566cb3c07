"""Whether the topics are still those of the installation: each has an id that a topic made anew under its name lacks.

What is derived from a topic (tables, snapshots, committed offsets, the offsets in item states) means nothing for
another one, and would quietly swallow its changes.
"""

import threading
from collections.abc import Callable, Collection

import structlog
from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from schemas.cluster import ClusterView
from schemas.errors import LogError, NotReady
from schemas.kafka_clients import common_config, partition_counts
from schemas.settings import KafkaSettings
from schemas.topics import CHANGES, REJECTS, RETRIES, STATES, vectors_topic

LOOK_S, ANSWER_S = 2.0, 4.0
NO_TOPIC = "UNKNOWN_TOPIC_OR_PART"
_WHAT_TO_DO = "bring it back from a backup, or begin a new installation: delete all its topics and the data folders"

log = structlog.get_logger()


def topic_ids(kafka: KafkaSettings, topics: Collection[str]) -> dict[str, str]:
    """Topic -> its id, for those that are there; empty on the embedded broker, whose log is as old as its process.

    Raises:
        NotReady: the broker does not answer.
    """
    if kafka.embedded:
        return {}
    return {name: topic_id for name, (_, topic_id) in _described(AdminClient(common_config(kafka)), topics).items()}


def check_log(
    kafka: KafkaSettings, view: ClusterView, topics: Collection[str], admin: AdminClient | None = None
) -> None:
    """Compare these topics with what the installation and its generations say of them; unknown ids pass.

    Raises:
        LogError: a topic is gone, was made anew, or has another partition count.
        NotReady: the broker does not answer.
    """
    if view.installation is None:
        return
    admin = admin or AdminClient(common_config(kafka))
    if kafka.embedded:
        have = {name: (count, "") for name, count in partition_counts(admin, ANSWER_S).items()}
    else:
        have = _described(admin, topics)
    wanted = known_ids(view)
    for topic in topics:
        if topic not in have:
            raise LogError(f"topic {topic} is gone; {_WHAT_TO_DO}", code="no_topic", topic=topic)
        count, topic_id = have[topic]
        if topic_id and wanted.get(topic, topic_id) != topic_id:
            raise LogError(
                f"topic {topic} was deleted and made anew: it is not the one this installation has read and written; "
                f"{_WHAT_TO_DO}",
                code="topic_recreated",
                topic=topic,
            )
        if count != view.installation.partitions:
            raise LogError(
                f"topic {topic} has {count} partitions, this installation has {view.installation.partitions}; a count "
                f"cannot change, since it decides which partition an item belongs to; {_WHAT_TO_DO}",
                code="partition_mismatch",
                topic=topic,
            )


def known_ids(view: ClusterView) -> dict[str, str]:
    """Topic -> the id that it had when it was made, as far as it was noted."""
    assert view.installation is not None
    vectors = {vectors_topic(g.name): g.topic_id for g in view.generations.values() if g.topic_id}
    return dict(view.installation.topic_ids) | vectors


def stream_topics(view: ClusterView) -> list[str]:
    """What stream workers read and write."""
    serving = [] if view.serving is None else [vectors_topic(view.serving.name)]
    return [CHANGES, STATES, REJECTS, RETRIES, *serving]


def shard_topics(view: ClusterView) -> list[str]:
    """What nodes read."""
    placed = {} if view.placement is None else view.placement.shards
    live = [g.name for g in view.generations.values() if g.name in placed and g.status != "retired"]
    return [STATES, *map(vectors_topic, live)]


def router_topics(view: ClusterView) -> list[str]:
    """What routers write, and read beside it."""
    return [CHANGES, REJECTS, RETRIES]


class LogWatch:
    """A thread that compares again and again; `away` says why the broker is not there, `refused` what is wrong."""

    def __init__(
        self, kafka: KafkaSettings, view: Callable[[], ClusterView], topics: Callable[[ClusterView], Collection[str]]
    ) -> None:
        self.away: str | None = None
        self.refused: LogError | None = None
        self._kafka, self._view, self._topics = kafka, view, topics
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-watch", daemon=True)

    @property
    def trouble(self) -> str | None:
        """Why changes do not move, for a role that goes on answering: the log is another one, or not there."""
        if self.refused is not None:
            return self.refused.message
        return None if self.away is None else f"{self.away}; searches go on over what is here, changes wait"

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End soon; nobody waits for it, as a broker that is away may hold it for seconds."""
        self._stop.set()

    def _run(self) -> None:
        admin = AdminClient(common_config(self._kafka))
        while not self._stop.wait(LOOK_S):
            view = self._view()
            try:
                check_log(self._kafka, view, self._topics(view), admin)
            except NotReady as error:
                if self.away is None:
                    log.warning("broker_away", error=error.message)
                self.away = error.message
                continue
            except LogError as error:
                if self.refused is None:
                    log.error("log_refused", code=error.code, error=error.message)  # noqa: TRY400  a sentence, no trace
                self.refused = error
            if self.away is not None:
                log.info("broker_back")
            self.away = None


def _described(admin: AdminClient, topics: Collection[str]) -> dict[str, tuple[int, str]]:
    """Topic -> its partition count and id (empty where the broker has none), for those that are there."""
    found: dict[str, tuple[int, str]] = {}
    try:
        futures = admin.describe_topics(TopicCollection(list(topics)), request_timeout=ANSWER_S)
        for name, future in futures.items():
            try:
                described = future.result(timeout=2 * ANSWER_S)
            except KafkaException as error:
                if error.args[0].name() != NO_TOPIC:
                    raise
            else:
                found[name] = (len(described.partitions), _id_of(described.topic_id))
    except (KafkaException, TimeoutError) as error:
        said = error.args[0].str() if isinstance(error, KafkaException) else "no answer in time"
        raise NotReady(f"Kafka does not answer: {said}") from error
    return found


def _id_of(topic_id: object) -> str:
    """The id as text; an all-zero one is none."""
    text = str(topic_id) if topic_id is not None else ""
    return "" if not text.strip("A=") else text
