"""One shard with the threads that keep it: its follower and its drainer."""

import time

from index_shards.node.drainer import Drainer
from index_shards.node.follower import Follower
from index_shards.node.metrics import NodeMetrics
from index_shards.node.snapshot_schedule import SnapshotSchedule
from index_shards.shard import Shard
from index_shards.snapshot import Identity
from schemas.cluster import Generation, Installation
from schemas.node_status import ShardStatus
from schemas.settings import Settings
from schemas.topics import partitions_of, shard_group

DRAINER_STOP_S = 2.0


class HostedShard:
    """Opens, follows and closes one shard; its files lie under <data_dir>/nodes/<node>/<generation>/<shard>."""

    def __init__(
        self, settings: Settings, installation: Installation, generation: Generation, number: int, metrics: NodeMetrics
    ) -> None:
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
        self._drainer = Drainer(self.shard, name)
        self._follower = Follower(
            self.shard,
            settings.kafka,
            shard_group(generation.name, number, settings.node.id),
            partitions_of(number, generation.shards, installation.partitions),
            SnapshotSchedule(settings.index, by_bytes=settings.kafka.embedded),
            metrics,
        )

    def start(self) -> None:
        """Restore, replay and serve, in the background."""
        self._drainer.start()
        self._follower.start()

    def ask_to_stop(self) -> None:
        """Begin to end; `stop` waits for it."""
        self._follower.ask_to_stop()

    def stop(self, timeout_s: float) -> None:
        """Stop answering, take a last snapshot where that is quick, give the folder back."""
        self._follower.ask_to_stop()
        ended = self._follower.join(timeout_s)
        self._drainer.stop(DRAINER_STOP_S)
        if ended:
            self.shard.close()

    def status(self) -> ShardStatus:
        """What the shard is doing, for `/v1/status`."""
        counts = self.shard.counts()
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
            error=self.shard.error,
        )


def _now_us() -> int:
    return time.time_ns() // 1000
