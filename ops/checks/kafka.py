"""Kafka: whether it answers, its topics, how long they are kept, and clocks that are ahead."""

import time
from collections.abc import Iterator, Mapping

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from ops.checks.finding import Finding, ok, problem, warning
from ops.topic_reading import read_stretch
from schemas.cluster import ClusterView
from schemas.cluster_log import read_cluster
from schemas.errors import LookaliveError
from schemas.kafka_clients import common_config, kept_offsets, partition_counts
from schemas.settings import KafkaSettings, Settings
from schemas.topics import CHANGES, REJECTS, STATES, base_topics, generation_topic, vectors_topic

CONFIG_ANSWER_S = 5.0
AHEAD_S = 60.0
MS_PER_S = 1000


def check_kafka(settings: Settings, kafka: KafkaSettings) -> Iterator[Finding]:
    """Everything that can be asked of a cluster that is set or runs here."""
    admin = AdminClient(common_config(kafka))
    try:
        have = partition_counts(admin)
        view = read_cluster(kafka) if "cluster.state" in have else ClusterView()
    except LookaliveError as error:
        advice = "start it, or mend LOOKALIVE_KAFKA__BOOTSTRAP_SERVERS; a firewall may be in between"
        yield problem("kafka", f"{kafka.bootstrap_servers}: {error.message}", advice)
        return
    kind = "embedded, in memory" if kafka.embedded else f"{len(have)} topics"
    yield ok("kafka", f"{kafka.bootstrap_servers} answers ({kind})")
    yield from check_topics(have, view, settings)
    if view.installation is None:
        return
    yield check_clocks(kafka, view.installation.partitions)
    if kafka.embedded:
        yield ok("topic settings", "the embedded broker keeps a bounded part of every topic and tells no settings")
    else:
        yield from check_configs(_configs(admin, sorted(have)), view, settings)


def check_topics(have: Mapping[str, int], view: ClusterView, settings: Settings) -> Iterator[Finding]:
    """Whether every topic is there with the installation's partition count."""
    if view.installation is None:
        said = f"no installation yet; {settings.kafka.partitions} partitions are set"
        yield warning("topics", said, "`lookalive up` makes the topics; partitions are fixed from then on")
        return
    partitions = view.installation.partitions
    wanted = {spec.name: spec.partitions for spec in base_topics(partitions)}
    wanted |= {vectors_topic(g.name): partitions for g in view.generations.values() if g.status != "retired"}
    wrong = [
        f"{n} has {have.get(n, 'no')} partitions, not {count}" for n, count in wanted.items() if have.get(n) != count
    ]
    if wrong:
        yield problem("topics", "; ".join(wrong), "a partition count cannot change: restore the topics as they were")
    else:
        yield ok("topics", f"{len(wanted)} topics, {partitions} partitions")


def check_clocks(kafka: KafkaSettings, partitions: int) -> Finding:
    """Whether the newest changes are of the future: they would win over changes that come later."""
    ends = kept_offsets(kafka, CHANGES, range(partitions))
    last = {p: high - 1 for p, (low, high) in ends.items() if high > low}
    try:
        times = [record.time_us for record in read_stretch(kafka, CHANGES, last, {p: o + 1 for p, o in last.items()})]
    except LookaliveError as error:
        return warning("clocks", error.message, "try again")
    ahead_s = max((t / 1_000_000 - time.time() for t in times), default=0.0)
    if ahead_s > AHEAD_S:
        advice = "set the clocks of producers and of this machine by NTP: the later time wins where versions do not say"
        return problem("clocks", f"the newest change is {ahead_s:.0f} s ahead of this machine's clock", advice)
    return ok("clocks", "no change is ahead of this machine's clock" if times else "no changes yet")


def check_configs(configs: Mapping[str, Mapping[str, str]], view: ClusterView, settings: Settings) -> Iterator[Finding]:
    """Whether topics are compacted, and kept as long as deletes must be remembered."""
    partitions = 1 if view.installation is None else view.installation.partitions
    specs = [*base_topics(partitions), *(generation_topic(g, partitions) for g in view.generations)]
    asked = {spec.name: spec.config["cleanup.policy"] for spec in specs}
    if not configs:
        yield warning("topic settings", "the broker does not tell them", "allow DescribeConfigs for this client")
        return
    for topic, policy in asked.items():
        have = configs.get(topic, {}).get("cleanup.policy")
        if have is not None and have != policy:
            advice = f"kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config cleanup.policy="
            yield problem("topic settings", f"{topic} has cleanup.policy {have}, not {policy}", advice + policy)
    said = {topic: _kept(configs.get(topic, {}), settings.index.delete_retention_s) for topic in (CHANGES, REJECTS)}
    for topic, (hours, longer) in said.items():
        if longer:
            advice = "raise LOOKALIVE_INDEX__DELETE_RETENTION_S to at least that, so that a late change raises nothing"
            yield problem("topic settings", f"{topic} is kept {hours}, longer than deletes are remembered", advice)
    if not any(longer for _, longer in said.values()):
        yield ok("topic settings", f"{CHANGES} is kept {said[CHANGES][0]}; {STATES} {asked[STATES]}")


def _kept(config: Mapping[str, str], at_most_s: float) -> tuple[str, bool]:
    """How long a topic's records are kept, in words, and whether that is longer than this."""
    if "retention.ms" not in config:
        return "for a time that is not known", False
    retention_ms = int(config["retention.ms"])
    hours = "for ever" if retention_ms < 0 else f"{retention_ms / 3_600_000:.0f} h"
    return hours, retention_ms < 0 or retention_ms / MS_PER_S > at_most_s


def _configs(admin: AdminClient, topics: list[str]) -> dict[str, dict[str, str]]:
    """Every topic's settings; empty where the broker does not answer in time (some never do)."""
    asked = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
    found: dict[str, dict[str, str]] = {}
    try:
        for resource, future in admin.describe_configs(asked, request_timeout=CONFIG_ANSWER_S).items():
            entries = future.result(timeout=CONFIG_ANSWER_S + 1)
            found[resource.name] = {name: str(entry.value) for name, entry in entries.items()}
    except (KafkaException, TimeoutError):
        return {}
    return found
