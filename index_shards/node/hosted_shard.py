"""One shard with the threads that keep it: its follower, its drainer and the measuring of its recall."""

import threading
import time

from index_shards.live_recall import LiveRecall
from index_shards.node.drainer import Drainer
from index_shards.node.follower import Follower
from index_shards.node.metrics import NodeMetrics
from index_shards.node.news_ring import NewsRing
from index_shards.node.snapshot_schedule import SnapshotSchedule
from index_shards.searcher import Found, Query
from index_shards.shard import Shard
from index_shards.shard_state import ShardState
from index_shards.snapshot import Identity
from schemas.cluster import Generation, Installation
from schemas.node_status import Activity, ShardStatus
from schemas.settings import Settings
from schemas.topics import partitions_of, shard_group

DRAINER_STOP_S, RECALL_STOP_S = 2.0, 1.0


class HostedShard:
    """Opens, follows and closes one shard; its files lie under <data_dir>/nodes/<node>/<generation>/<shard>."""

    def __init__(
        self,
        settings: Settings,
        installation: Installation,
        generation: Generation,
        number: int,
        metrics: NodeMetrics,
        compaction_permit: threading.Lock,
        news: NewsRing,
    ) -> None:
        """Only one of the shards that share `compaction_permit` compacts at a time."""
        name = f"{generation.name}/{number}"
        identity = Identity(
            log_id=installation.log_id,
            generation=generation.name,
            fingerprint=generation.fingerprint,
            dimension=generation.dimension,
            storage=generation.storage,
            partitions=installation.partitions,
            shards=generation.shards,
            shard=number,
        )
        folder = settings.data_path / "nodes" / settings.node.id / generation.name / str(number)
        self.shard = Shard(generation, identity, folder, settings.index, _now_us)
        self._drainer = Drainer(
            self.shard, name, compaction_permit, settings.index.compaction_cpu_share, settings.index.buffer_idle_s
        )
        self._live_recall = LiveRecall(self.shard, settings.index.recall_sample_share, name)
        self._follower = Follower(
            self.shard,
            settings.kafka,
            shard_group(generation.name, number, settings.node.id),
            partitions_of(number, generation.shards, installation.partitions),
            SnapshotSchedule(settings.index, by_bytes=settings.kafka.embedded),
            metrics,
            news,
        )

    def start(self) -> None:
        """Restore, replay and serve, in the background."""
        self._drainer.start()
        self._follower.start()
        self._live_recall.start()

    def search(self, query: Query) -> Found:
        """`Shard.search`, measured now and then."""
        asked_us = _now_us()
        found = self.shard.search(query)
        self._live_recall.offer(query, found, asked_us)
        return found

    def ask_to_stop(self) -> None:
        """Begin to end; `stop` waits for it."""
        self._follower.ask_to_stop()

    def stop(self, timeout_s: float) -> None:
        """Stop answering, take a last snapshot where that is quick, give the folder back."""
        self._follower.ask_to_stop()
        ended = self._follower.join(timeout_s)
        self._drainer.stop(DRAINER_STOP_S)
        self._live_recall.stop(RECALL_STOP_S)
        if ended:
            self.shard.close()

    def _doing(self) -> list[Activity]:
        """What goes on, with the share that is done."""
        shard, compacted = self.shard, self._drainer.compacted_share
        doing: list[Activity] = []
        if shard.state is ShardState.RESTORING:
            doing.append(Activity("restoring", shard.restored_share))
        if shard.state is ShardState.REPLAYING:
            doing.append(Activity("replaying", self._follower.replayed_share))
        if self._drainer.draining:
            doing.append(Activity("draining"))
        if compacted is not None:
            doing.append(Activity("compacting", compacted))
        if shard.snapshotting:
            doing.append(Activity("snapshotting"))
        return doing

    def status(self) -> ShardStatus:
        """What the shard is doing, for `/v1/status`."""
        counts, recall = self.shard.counts(), self._live_recall.recall()
        return ShardStatus(
            generation=self.shard.generation.name,
            shard=self.shard.number,
            state=self.shard.state.value,
            items=counts.items,
            graph_vectors=counts.graph_vectors,
            buffer_vectors=counts.buffer_vectors,
            dead_vectors=counts.dead_vectors,
            size_bytes=counts.size_bytes,
            applied={topic: dict(of) for topic, of in self._follower.applied.items()},
            lag=self._follower.lag,
            newest_event_us=counts.newest_event_us,
            snapshot_us=self.shard.snapshot_us,
            doing=self._doing(),
            compactions=self._drainer.compactions,
            compactions_refused=self._drainer.refusals,
            recall_at_10=recall.at_10,
            recall_samples=recall.samples,
            error=self.shard.error,
        )


def _now_us() -> int:
    return time.time_ns() // 1000
