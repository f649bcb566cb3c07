"""Makes the node hold what placement says, and tells `cluster.state` what it serves and where."""

import threading
import time
from typing import NamedTuple

import structlog
from confluent_kafka import KafkaException

from index_shards.node.hosted_shard import HostedShard
from index_shards.node.leaving import Leaving
from index_shards.node.metrics import NodeMetrics
from index_shards.node.news_ring import NewsRing
from schemas.cluster import ClusterView, Installation, NodeReport
from schemas.cluster_log import ClusterFollower, publish
from schemas.errors import NotReady, UnknownShard
from schemas.log_identity import LogWatch, check_log, shard_topics
from schemas.node_status import ShardStatus
from schemas.settings import Settings

log = structlog.get_logger()

LOOK_S, PUBLISH_RETRY_S = 0.1, 1.0
STOP_SHARDS_S, STOP_THREAD_S = 6.0, 2.0


class ShardKey(NamedTuple):
    """A shard of a generation."""

    generation: str
    shard: int


class Reconciler:
    """Follows `cluster.state` and opens, closes and announces this node's shards."""

    def __init__(self, settings: Settings, metrics: NodeMetrics, url: str) -> None:
        self._settings, self._metrics, self._url = settings, metrics, url
        self._node = settings.node.id
        self.news = NewsRing()
        self._cluster = ClusterFollower(settings.kafka, lambda _: self._wake.set())
        self._log = LogWatch(settings.kafka, lambda: self._cluster.view, shard_topics)
        self._hosted: dict[ShardKey, HostedShard] = {}
        self._leaving, self._epoch = Leaving(), 0
        self._lock, self._compaction_permit = threading.Lock(), threading.Lock()
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="reconciler", daemon=True)
        self._published: NodeReport | None = None
        self._publish_after_s = 0.0
        self.error: str | None = None

    def start(self) -> None:
        """Read `cluster.state`, then reconcile in the background.

        Raises:
            NotReady: the broker does not answer.
            LogError: a topic is not the one that was installed.
        """
        self._cluster.start()
        check_log(self._settings.kafka, self._cluster.view, shard_topics(self._cluster.view))
        self._log.start()
        self._thread.start()

    def stop(self) -> None:
        """Close every shard, all at once, and say that none is served any more."""
        self._stop.set()
        self._wake.set()
        self._log.stop()
        self._cluster.stop()
        self._thread.join(STOP_THREAD_S)
        with self._lock:
            hosted, self._hosted = self._hosted, {}
        for one in hosted.values():
            one.ask_to_stop()
        deadline_s = time.monotonic() + STOP_SHARDS_S
        for one in hosted.values():
            one.stop(max(deadline_s - time.monotonic(), 0.1))

    @property
    def epoch(self) -> int:
        """The newest placement that the shards of this node follow."""
        return self._epoch

    def hosted(self, generation: str, number: int) -> HostedShard:
        """A shard that this node holds.

        Raises:
            UnknownShard: it does not.
        """
        hosted = self._hosted.get(ShardKey(generation, number))
        if hosted is None:
            raise UnknownShard(generation, number)
        return hosted

    def statuses(self) -> list[ShardStatus]:
        """Every shard's status, in order."""
        with self._lock:
            return [self._hosted[key].status() for key in sorted(self._hosted)]

    def reasons_not_ready(self) -> list[str]:
        """What is missing until every placed shard serves and can be changed; empty when nothing is."""
        if self._log.refused is not None:
            return [self._log.refused.message]
        if self.error is not None:
            return [self.error]
        log_trouble = [] if self._log.trouble is None else [self._log.trouble]
        return log_trouble + self._unserved()

    def _unserved(self) -> list[str]:
        view = self._cluster.view
        if view.installation is None or view.placement is None:
            return ["cluster.state has no installation and placement yet"]
        reasons = []
        for key in sorted(self._wanted(view)):
            hosted = self._hosted.get(key)
            if hosted is None:
                reasons.append(f"{key.generation}/{key.shard} is not open yet")
            elif hosted.shard.error or not hosted.shard.state.answers:
                error = f": {hosted.shard.error}" if hosted.shard.error else ""
                reasons.append(f"{key.generation}/{key.shard} is {hosted.shard.state.value}{error}")
        return reasons

    def _wanted(self, view: ClusterView) -> set[ShardKey]:
        return {ShardKey(*shard) for shard in view.held_by(self._node)}

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                self._reconcile()
                self._announce(self.serving())
                self.error = None
            except (NotReady, KafkaException) as error:
                log.warning("cluster_state_not_written", error=str(error))
                self._publish_after_s = time.monotonic() + PUBLISH_RETRY_S
            except Exception as error:
                log.exception("reconciling_failed")
                self.error = f"reconciling failed: {error}"
            self._wake.wait(LOOK_S)
        self._say_goodbye()

    def _reconcile(self) -> None:
        view = self._cluster.view
        if view.installation is None:
            return
        epoch = 0 if view.placement is None else view.placement.epoch
        wanted = self._wanted(view)
        for key in sorted(wanted - set(self._hosted)):
            self._open(view, view.installation, key)
        for key in sorted(self._leaving.due(self._hosted, wanted, time.monotonic())):
            log.info("shard_closes", generation=key.generation, shard=key.shard)
            with self._lock:
                hosted = self._hosted.pop(key)
            self._announce(self.serving())
            hosted.stop(STOP_SHARDS_S)
        self._epoch = epoch

    def _open(self, view: ClusterView, installation: Installation, key: ShardKey) -> None:
        generation = view.generations[key.generation]
        hosted = HostedShard(
            self._settings, installation, generation, key.shard, self._metrics, self._compaction_permit, self.news
        )
        with self._lock:
            self._hosted[key] = hosted
        hosted.start()

    def serving(self) -> dict[str, list[int]]:
        """Generation -> the shards that answer searches."""
        serving: dict[str, list[int]] = {}
        for key in sorted(self._hosted):
            if self._hosted[key].shard.state.answers:
                serving.setdefault(key.generation, []).append(key.shard)
        return serving

    def _announce(self, serving: dict[str, list[int]]) -> None:
        """Publish the report when it is not what was last published.

        Raises:
            NotReady: the broker did not acknowledge it.
        """
        report = NodeReport(node=self._node, url=self._url, serving=serving)
        if report == self._published or time.monotonic() < self._publish_after_s:
            return
        publish(self._settings.kafka, report)
        self._published = report

    def _say_goodbye(self) -> None:
        try:
            self._publish_after_s = 0.0
            self._announce({})
        except (NotReady, KafkaException) as error:
            log.warning("goodbye_not_written", error=str(error))
