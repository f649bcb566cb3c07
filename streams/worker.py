"""A stream worker: waits for what it needs, checks it, and runs its agents in one event loop."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import structlog
from confluent_kafka.admin import AdminClient

from embedder.batcher import EmbeddingWorker
from embedder.bounded_store import BoundedStore
from embedder.fetch import catalog_fetcher
from embedder.fetch_attempts import slowest_s
from embedder.fresh_pictures import FreshPictures
from embedder.image_store import ImageStore
from embedder.metrics import EmbedderMetrics
from embedder.models.base import Encoder
from embedder.models.registry import load_encoder
from embedder.picture_places import open_places
from embedder.vector_cache import VectorCache
from schemas.backlog import Backlog, Gate, readers_of
from schemas.cluster import Generation
from schemas.cluster_log import ClusterFollower
from schemas.disk import check_writable
from schemas.errors import DiskFailed, NotReady, SettingsError
from schemas.kafka_clients import common_config, partition_counts
from schemas.log_identity import LogWatch, check_log, stream_topics
from schemas.settings import MIB, Settings
from schemas.topics import CHANGES, MERGE_GROUP, REJECTS, RETRIES, STATES, embed_group, vectors_topic
from streams.agent import Agent
from streams.endings import end_now
from streams.gaps import check_gaps
from streams.metrics import StreamMetrics
from streams.partition_owners import PartitionOwners
from streams.stall_watch import StallGuard

if TYPE_CHECKING:
    from streams.drift_agent import DriftAgent
    from streams.retry_agent import RetryAgent

AGENTS = ("merge", "embed", "drift")
FRESH_BYTES = 16 * MIB
RUNNING = "running"
WAIT_S, POLL_S, SAY_EVERY_S = 60.0, 0.25, 5.0
# How long it may be not ready for the very same reason.
STALLED_S = 120.0

log = structlog.get_logger()


class StreamWorker:
    """One process's agents. `reasons` is what `/readyz` answers with while something is missing."""

    def __init__(self, settings: Settings) -> None:
        agents = settings.stream.agents
        if not agents or set(agents) - set(AGENTS):
            raise SettingsError(
                f"LOOKALIVE_STREAM__AGENTS is some of {', '.join(AGENTS)}, comma-separated, not {','.join(agents)!r}",
                name="LOOKALIVE_STREAM__AGENTS",
            )
        self.settings = settings
        self.metrics = StreamMetrics()
        self._names = agents
        self._follower = ClusterFollower(settings.kafka)
        self._agents: list[Agent] = []
        self._backlogs: list[Backlog] = []
        self._retries: RetryAgent | None = None
        self._drift: DriftAgent | None = None
        self._embedding: EmbeddingWorker | None = None
        self._cache: VectorCache | None = None
        self._log = LogWatch(settings.kafka, lambda: self._follower.view, stream_topics)
        self._owners = PartitionOwners(settings.kafka)
        self._stalls: StallGuard | None = None
        # A fetch may rightly take longer than the time that is set.
        self._stall_s = max(settings.stream.stall_s, 2 * slowest_s(settings.images))
        both = {"merge", "embed"} <= set(agents)
        self._fresh = FreshPictures(FRESH_BYTES) if both else None
        self._stage = "starting"

    def reasons(self) -> dict[str, str]:
        """Part -> why it is not ready; empty when everything is."""
        if self._stage != RUNNING:
            return {"worker": self._stage}
        found = {agent.name: self._not_ready(agent) for agent in self._agents}
        if self._embedding is not None and not self._embedding.healthy:
            found["embedder"] = "the embedding worker has ended"
        found["kafka"] = self._log.away
        return {name: why for name, why in found.items() if why is not None}

    def _not_ready(self, agent: Agent) -> str | None:
        return self._owners.reason(agent.name) if agent.is_spare else agent.not_ready()

    def notes(self) -> Mapping[str, str]:
        """Agent -> what a person should know of it although it is ready."""
        trouble = None if self._drift is None else self._drift.trouble
        return dict(self._owners.notes()) | ({} if trouble is None else {"drift": trouble})

    async def start(self) -> None:
        """Wait for Kafka and the installation, check everything, and start the agents.

        Raises:
            NotReady: something did not come within a minute; a disk to write to and Kafka are waited for without end.
            LogGap: the broker dropped what this worker has not read.
            LogError, SettingsError: partition counts or the model are not the installation's.
        """
        await self._wait("waiting for a disk to write to", self._disk_is_there, patient=True)
        await self._wait("waiting for Kafka", self._kafka_is_there, patient=True)
        await asyncio.to_thread(self._follower.start)
        await self._wait("waiting for the installation's records", self._is_installed)
        await asyncio.to_thread(self._check_partitions)
        agents: list[Agent] = []
        if "merge" in self._names:
            agents.append(await self._make_merge())
        if "embed" in self._names:
            agents.append(await self._make_embed())
        if "drift" in self._names:
            self._drift = await self._make_drift()
        self._log.start()
        self._agents = agents
        self._stage = RUNNING
        await asyncio.gather(*(agent.start() for agent in agents))
        if self._retries is not None:
            await self._retries.start()
        self._stalls = StallGuard(self.settings.kafka, agents, self._stall_s, lambda: self._log.away is not None)
        self._stalls.start()
        if self._drift is not None:
            self._drift.start()

    async def watch(self) -> None:
        """Returns never; says what is missing, and ends the process when that does not change any more."""
        held, since, said = {"": ""}, 0.0, 0.0
        while True:
            await asyncio.sleep(POLL_S)
            await self._owners.look((a.name, a.group, a.source) for a in self._agents if a.is_spare)
            for agent in self._agents:
                if agent.app.crashed:
                    end_now(agent.app.crash_reason or RuntimeError(f"the {agent.name} app has crashed"))
            if self._log.refused is not None:
                end_now(self._log.refused)
            if self._embedding is not None and not self._embedding.healthy:
                end_now(NotReady("the embedding worker has ended"))
            reasons, now = self.reasons(), time.monotonic()
            # While the broker is away or a disk is full nothing can move, and ending would mend nothing.
            if reasons != held or self._log.away is not None or any(agent.disk.reason for agent in self._agents):
                held, since = reasons, now
            if reasons and now - since > STALLED_S:
                end_now(NotReady(f"nothing has moved for {STALLED_S:.0f} s: {reasons}"))
            if reasons and now - said > SAY_EVERY_S:
                log.info("not_ready_yet", **reasons)
                said = now

    async def stop(self) -> None:
        """Stop the agents in the order of the data, then the embedder."""
        self._log.stop()
        if self._stalls is not None:
            self._stalls.stop()
        if self._retries is not None:
            await self._retries.stop()
        stopping = [agent.stop() for agent in self._agents]
        await asyncio.gather(*stopping, *([] if self._drift is None else [self._drift.stop()]))
        if self._embedding is not None:
            await self._embedding.stop(timeout_s=0.5)
        if self._cache is not None:
            self._cache.close()
        await asyncio.to_thread(self._follower.stop)
        for backlog in self._backlogs:
            backlog.close()

    async def _make_merge(self) -> Agent:
        from streams.merge_agent import MergeAgent

        self._stage = "checking the log"
        kafka = self.settings.kafka
        await asyncio.to_thread(check_gaps, kafka, MERGE_GROUP, CHANGES)
        places = open_places(self.settings.data_path / "stream" / self.settings.stream.id / "places")
        pictures = ImageStore(self.settings.image_store_path, self._fresh, places)
        return MergeAgent(self.settings, self._folder("merge"), pictures, self._gate(STATES), self.metrics)

    async def _make_drift(self) -> "DriftAgent":
        from streams.drift_agent import DriftAgent
        from streams.drift_metrics import DriftMetrics

        await self._wait("waiting for a serving generation", self._is_placed)
        generation = self._follower.view.serving
        assert generation is not None
        folder = self._folder("drift") / generation.name
        return DriftAgent(self.settings, generation, folder, DriftMetrics(self.metrics.registry))

    async def _make_embed(self) -> Agent:
        from streams.embed_agent import EmbedAgent
        from streams.embed_memo import EmbedMemo
        from streams.retry_agent import RetryAgent

        await self._wait("waiting for a serving generation", self._is_placed)
        generation = self._follower.view.serving
        assert generation is not None
        self._stage = "loading the model"
        encoder = await asyncio.to_thread(load_encoder, self.settings.model)
        check_encoder(encoder, generation)
        self._stage = "checking the log"
        await asyncio.to_thread(check_gaps, self.settings.kafka, embed_group(generation.name), STATES)
        self._embedding = self._embedding_worker(encoder)
        await self._embedding.start()
        folder = self._folder("embedded") / generation.name
        agent = EmbedAgent(
            self.settings,
            generation,
            self._folder("embed") / generation.name,
            EmbedMemo(folder),
            self._embedding,
            self._gate(vectors_topic(generation.name)),
            self._gate(RETRIES),
            self.metrics,
        )
        self._retries = RetryAgent(self.settings, generation.name, agent, self.metrics)
        return agent

    def _embedding_worker(self, encoder: Encoder) -> EmbeddingWorker:
        images = self.settings.images
        metrics = EmbedderMetrics(self.metrics.registry)
        if images.cache_mib:
            folder = self.settings.data_path / "cache" / "vectors" / self.settings.stream.id
            self._cache = VectorCache(BoundedStore(folder, images.cache_mib * MIB), encoder, images)
            metrics.cache_bytes.set_function(self._cache.size_bytes)
        fetcher = catalog_fetcher(images, ImageStore(self.settings.image_store_path, self._fresh), self._cache, metrics)
        return EmbeddingWorker(encoder, fetcher, images, self.settings.model, metrics, cache=self._cache)

    def _gate(self, topic: str) -> Gate:
        backlog = Backlog(self.settings.kafka, topic, lambda: readers_of(topic, self._follower.view))
        self._backlogs.append(backlog)
        return Gate(backlog, self.settings.kafka)

    def _folder(self, part: str) -> Path:
        """A folder of this worker for one log: what is kept of another log means nothing."""
        installation = self._follower.view.installation
        assert installation is not None
        return self.settings.data_path / "stream" / self.settings.stream.id / part / installation.log_id

    async def _wait(self, stage: str, reached: Callable[[], bool], *, patient: bool = False) -> None:
        """Without end where `patient`: what comes back by itself is not mended by a restart."""
        self._stage = stage
        deadline_s = float("inf") if patient else time.monotonic() + WAIT_S
        say_s = time.monotonic() + SAY_EVERY_S
        while not await asyncio.to_thread(reached):
            now = time.monotonic()
            if now > deadline_s:
                raise NotReady(f"{stage}: nothing came within {WAIT_S:.0f} s")
            if now > say_s:
                log.warning("still_waiting", stage=self._stage)
                say_s = now + SAY_EVERY_S
            await asyncio.sleep(POLL_S)

    def _disk_is_there(self) -> bool:
        for folder in (self.settings.data_path, self.settings.image_store_path):
            try:
                check_writable(folder)
            except DiskFailed as error:
                self._stage = error.message
                return False
        return True

    def _kafka_is_there(self) -> bool:
        try:
            return bool(partition_counts(AdminClient(common_config(self.settings.kafka))))
        except NotReady:
            return False

    def _is_installed(self) -> bool:
        return self._follower.view.installation is not None

    def _is_placed(self) -> bool:
        return self._follower.view.serving is not None

    def _check_partitions(self) -> None:
        """The installation record decides; topics and settings must agree with it."""
        installation = self._follower.view.installation
        assert installation is not None
        check_log(self.settings.kafka, self._follower.view, (CHANGES, STATES, REJECTS, RETRIES))
        kafka = msgspec.structs.replace(self.settings.kafka, partitions=installation.partitions)
        self.settings = msgspec.structs.replace(self.settings, kafka=kafka)


def check_encoder(encoder: Encoder, generation: Generation) -> None:
    """Vectors of two models are never compared: the model must be the generation's.

    Raises:
        SettingsError: it is another one.
    """
    if (encoder.fingerprint, encoder.dimension) != (generation.fingerprint, generation.dimension):
        raise SettingsError(
            f"generation {generation.name} was made with {generation.model} ({generation.fingerprint}, "
            f"{generation.dimension} numbers), this worker has {encoder.name} ({encoder.fingerprint}, "
            f"{encoder.dimension}); set LOOKALIVE_MODEL__NAME and LOOKALIVE_MODEL__CHECKPOINT"
        )
