"""Bringing a Kafka cluster to the state in which roles can start: topics, installation, generation, placement."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping

import msgspec
import structlog

from schemas.cluster import ClusterView, Generation, Installation, Placement
from schemas.cluster_log import publish, read_cluster
from schemas.errors import LogError, SettingsError
from schemas.kafka_clients import ensure_topics, first_counts, kept_offsets
from schemas.log_identity import check_log, stream_topics, topic_ids
from schemas.settings import Settings, environment_of
from schemas.topics import CLUSTER, STATES, base_topics, generation_topic

log = structlog.get_logger()

FIRST_GENERATION = "g1"
DESCRIBE_TIMEOUT_S = 300


class EncoderDescription(msgspec.Struct, frozen=True):
    """What names an embedding space."""

    name: str
    fingerprint: str
    dimension: int


def describe_encoder(settings: Settings) -> EncoderDescription:
    """Load the configured encoder in a process of its own (it may be large) and say what it is.

    Raises:
        SettingsError: the encoder cannot be loaded, with its own words.
    """
    environ = {**_without_ours(os.environ), **environment_of(settings)}
    done = subprocess.run(
        [sys.executable, "-m", "embedder.describe"],
        env=environ,
        capture_output=True,
        timeout=DESCRIBE_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise SettingsError(
            f"the model {settings.model.name!r} cannot be loaded: {words[-1] if words else 'no reason'}"
        )
    return msgspec.convert(json.loads(done.stdout), EncoderDescription)


def install(settings: Settings, nodes: list[str]) -> ClusterView:
    """Create what is missing and check what is there; idempotent.

    Raises:
        LogError: the cluster was installed with another partition count.
        SettingsError: more shards than partitions, or the serving generation was made with another model.
        NotReady: Kafka does not answer.
    """
    if settings.index.shards > settings.kafka.partitions:
        raise SettingsError(
            f"{settings.index.shards} shards need at least as many partitions, not {settings.kafka.partitions}: lower "
            "LOOKALIVE_INDEX__SHARDS, or raise LOOKALIVE_KAFKA__PARTITIONS before the first start"
        )
    if settings.index.replicas > len(nodes):
        raise SettingsError(
            f"{settings.index.replicas} replicas need as many nodes, not {len(nodes)}: lower "
            "LOOKALIVE_INDEX__REPLICAS, or raise LOOKALIVE_NODE__COUNT"
        )
    specs = base_topics(settings.kafka.partitions)
    # Before anything is made: a topic that is gone must not come back empty without a word.
    _check_what_is_there(settings)
    ensure_topics(settings.kafka, specs)
    view = read_cluster(settings.kafka)
    if view.installation is None:
        ids = topic_ids(settings.kafka, [spec.name for spec in specs])
        publish(settings.kafka, Installation(settings.kafka.partitions, uuid.uuid4().hex, ids))
    elif view.installation.partitions != settings.kafka.partitions:
        raise LogError(
            f"this installation has {view.installation.partitions} partitions, the settings say "
            f"{settings.kafka.partitions}; the count is fixed at the first start: set LOOKALIVE_KAFKA__PARTITIONS="
            f"{view.installation.partitions}",
            code="partition_mismatch",
        )
    generation = _generation(settings, view)
    _place(settings, view, generation, nodes)
    return read_cluster(settings.kafka)


def _check_what_is_there(settings: Settings) -> None:
    """On a cluster that has seen lookalive before, see that every topic is the one it was.

    Raises:
        LogError: a topic is gone, was made anew or has another partition count; or only the installation's record is.
    """
    have = first_counts(settings.kafka)
    view = read_cluster(settings.kafka) if CLUSTER in have else ClusterView()
    if view.installation is not None:
        check_log(settings.kafka, view, stream_topics(view))
    elif STATES in have and not settings.kafka.embedded:
        written = sum(high for _, high in kept_offsets(settings.kafka, STATES, range(have[STATES])).values())
        if written:
            raise LogError(
                f"{STATES} holds {written} records, but {CLUSTER} has no record of an installation: it was deleted or "
                "made anew; bring it back from a backup, or begin a new installation: delete all topics",
                code="topic_recreated",
            )


def _generation(settings: Settings, view: ClusterView) -> Generation:
    encoder = describe_encoder(settings)
    there = view.serving
    if there is not None:
        if there.fingerprint != encoder.fingerprint:
            raise SettingsError(
                f"generation {there.name} was made with {there.model} ({there.fingerprint}), the settings say "
                f"{encoder.name} ({encoder.fingerprint}); vectors of two models are never compared: set "
                "LOOKALIVE_MODEL__NAME and LOOKALIVE_MODEL__CHECKPOINT as they were, or use another Kafka"
            )
        if there.shards != settings.index.shards:
            log.warning("shards_are_fixed", generation=there.name, shards=there.shards, asked=settings.index.shards)
        return there
    index = settings.index
    generation = Generation(
        name=FIRST_GENERATION,
        model=encoder.name,
        fingerprint=encoder.fingerprint,
        dimension=encoder.dimension,
        shards=index.shards,
        m=index.m,
        ef_construction=index.ef_construction,
        ef_search=index.ef_search,
        storage=index.storage,
        replicas=index.replicas,
    )
    topic = generation_topic(generation.name, settings.kafka.partitions)
    ensure_topics(settings.kafka, [topic])
    topic_id = topic_ids(settings.kafka, [topic.name]).get(topic.name, "")
    generation = msgspec.structs.replace(generation, topic_id=topic_id)
    publish(settings.kafka, generation)
    return generation


def _place(settings: Settings, view: ClusterView, generation: Generation, nodes: list[str]) -> None:
    """Place every shard that none of these nodes holds; what is placed on them stays, as it may have been moved."""
    held = view.placement
    there = [] if held is None else held.shards.get(generation.name, [])
    shards = []
    for shard in range(generation.shards):
        left = [node for node in (there[shard] if shard < len(there) else []) if node in nodes]
        spread = [nodes[(shard + more) % len(nodes)] for more in range(min(generation.replicas, len(nodes)))]
        shards.append(left or spread)
    if held is not None and held.serving == generation.name and there == shards:
        return
    moves = [] if held is None else [move for move in held.moves if {move.source, move.target} <= {"", *nodes}]
    placed = {**({} if held is None else held.shards), generation.name: shards}
    epoch = 1 if held is None else held.epoch + 1
    writer = f"up-{uuid.uuid4().hex[:12]}"
    publish(settings.kafka, Placement(epoch=epoch, writer=writer, serving=generation.name, shards=placed, moves=moves))


def _without_ours(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if not name.startswith("LOOKALIVE_")}
