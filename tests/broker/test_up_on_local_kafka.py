"""`lookalive up --kafka local`: what was searchable before a stop is searchable after the next start."""

import shutil
import signal
import time
from collections.abc import Callable

import pytest

from schemas.kafka_clients import common_config
from schemas.settings import KafkaSettings
from schemas.topics import base_topics, generation_topic
from tests.process.conftest import RunningSystem
from tests.process.pictures import data_url, picture
from tests.process.test_up_lifecycle import gone

pytestmark = pytest.mark.usefixtures("java")
NAMES = [f"item-{n}" for n in range(30)]


def put(system: RunningSystem, name: str, version: int) -> None:
    url, attributes = data_url(picture(name)), {"n": version}
    system.send({"op": "upsert", "item_id": name, "image_url": url, "attributes": attributes, "version": version})


def found_by_picture(system: RunningSystem, name: str) -> str:
    body = {"image_b64": data_url(picture(name)).partition(",")[2], "k": 1}
    status, answer = system.post("/v1/search", body)
    assert status == 200, answer
    return str(answer["items"][0]["item_id"]) if answer["items"] else ""


def cleanup_policies(system: RunningSystem) -> dict[str, tuple[int, str]]:
    """Topic -> partitions and cleanup.policy, as the broker has them."""
    from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

    admin = AdminClient(common_config(KafkaSettings(bootstrap_servers=system.endpoints["kafka"])))
    counts = {n: len(t.partitions) for n, t in admin.list_topics(timeout=10).topics.items() if n[:2] != "__"}
    asked = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in counts])
    return {r.name: (counts[r.name], future.result(10)["cleanup.policy"].value) for r, future in asked.items()}


def test_a_stop_and_a_start_keep_every_item(start_system: Callable[..., RunningSystem]) -> None:
    first = start_system(LOOKALIVE_KAFKA__BOOTSTRAP_SERVERS="local")
    specs = [*base_topics(12), generation_topic("g1", 12)]
    assert cleanup_policies(first) == {s.name: (s.partitions, s.config["cleanup.policy"]) for s in specs}
    for version, name in enumerate(NAMES, 1):
        put(first, name, version)
    first.send({"op": "delete", "item_id": NAMES[0], "version": 1000})
    first.flush()
    expected = {name: (version, {"n": version}) for version, name in enumerate(NAMES, 1) if version > 1}
    first.eventually(lambda: first.found(NAMES), expected)
    first.eventually(lambda: [found_by_picture(first, name) for name in NAMES[1:]], NAMES[1:])
    pids, kafka = list(first.endpoints["pids"].values()), first.endpoints["kafka"]
    asked_s = time.monotonic()
    assert first.stop() == 0, first.output.read_text()
    print(f"stopped after {time.monotonic() - asked_s:.1f} s")
    assert gone(pids, 1)

    # Without the shards' files everything grows back from the log.
    shutil.rmtree(first.data_dir / "nodes" / "n1")
    second = start_system(LOOKALIVE_KAFKA__BOOTSTRAP_SERVERS="local")
    assert second.endpoints["kafka"] == kafka
    second.eventually(lambda: second.found(NAMES), expected)
    second.eventually(lambda: [found_by_picture(second, name) for name in NAMES[1:]], NAMES[1:])

    broker = second.endpoints["pids"]["broker"]
    second.process.send_signal(signal.SIGKILL)
    second.process.wait()
    assert gone([broker], 10), "the broker outlived `up`"
    refused = second.lookalive_words("up", LOOKALIVE_KAFKA__BOOTSTRAP_SERVERS="")
    assert "--kafka local" in refused
