"""What the doctor says of a machine, of settings and of topics that are not as they should be."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from ops.checks.finding import Finding
from ops.checks.kafka import check_configs, check_topics
from ops.checks.machine import (
    check_folder,
    check_gpu,
    check_memory,
    check_model,
    check_packages,
    check_processor,
    check_python,
    check_roots,
)
from ops.checks.running import check_node, check_port, check_router, port_owner
from ops.doctor import check_settings
from schemas.cluster import ClusterView, Generation, Installation
from schemas.settings import ImageSettings, ModelSettings, Settings
from schemas.topics import base_topics


def installed(partitions: int = 12) -> ClusterView:
    view = ClusterView()
    view.apply(Installation(partitions=partitions, log_id="x"))
    view.apply(Generation(name="g1", model="fake", fingerprint="f", dimension=4, shards=3))
    return view


TOPICS = {spec.name: spec.partitions for spec in base_topics(12)} | {"vectors.g1": 12}
LOOKS: dict[str, tuple[Callable[[], Finding], str, str]] = {
    "old python": (lambda: check_python((3, 10, 1)), "problem", "3.11"),
    "python": (lambda: check_python((3, 12, 0)), "ok", "3.12.0"),
    "a missing package": (lambda: check_packages(["nosuchpackage>=1"]), "problem", "nosuchpackage is missing"),
    "another version": (lambda: check_packages(["msgspec<0.1"]), "problem", "is not <0.1"),
    "extras are left out": (lambda: check_packages(['nosuch; extra == "dev"']), "ok", "0 as asked for"),
    "fast processor": (lambda: check_processor("flags : sse avx2 avx512f\n", 4), "ok", "4 cores, avx2, avx512f"),
    "slow processor": (lambda: check_processor("flags : sse\n", 4), "warning", "AVX2"),
    "no gpu is asked for": (lambda: check_gpu("auto"), "ok", ""),
    "memory": (lambda: check_memory("MemAvailable:   16000000 kB\n"), "ok", "15.3 GiB"),
    "little memory": (lambda: check_memory("MemAvailable:   100000 kB\n"), "warning", "0.1 GiB"),
    "no folder can be there": (
        lambda: check_folder("data folder", Path("/proc/nowhere")),
        "problem",
        "LOOKALIVE_DATA_DIR",
    ),
    "any port": (lambda: check_port("127.0.0.1", 0), "ok", "any"),
    "a dead node": (lambda: check_node("n1", "http://127.0.0.1:9"), "problem", "does not answer"),
    "a model that is none": (
        lambda: check_model(Settings(model=ModelSettings(name="nosuch"))),
        "problem",
        "LOOKALIVE_MODEL__NAME",
    ),
}


@pytest.mark.parametrize("name", LOOKS)
def test_looks(name: str) -> None:
    look, level, words = LOOKS[name]
    finding = look()
    assert (finding.level, words in finding.found + finding.advice) == (level, True), finding
    assert bool(finding.advice) == (level != "ok")


def test_a_port_that_is_taken_and_by_whom() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        finding = check_port("127.0.0.1", port)
        assert finding.level == "problem"
        assert f"process {os.getpid()}" in (port_owner(port) or "")
        assert f"process {os.getpid()}" in finding.found
    assert check_port("127.0.0.1", port).level == "ok"


def test_a_router_that_is_gone() -> None:
    assert [f.level for f in check_router("http://127.0.0.1:9")] == ["problem"]


def test_image_roots(tmp_path: Path) -> None:
    settings = Settings(images=ImageSettings(roots=(str(tmp_path), str(tmp_path / "none"))))
    assert [f.level for f in check_roots(settings)] == ["ok", "problem"]


def test_every_wrong_setting_is_named_and_the_others_hold() -> None:
    environ = {"LOOKALIVE_ROUTER__PORT": "x", "LOOKALIVE_NOSUCH": "1", "LOOKALIVE_INDEX__SHARDS": "5", "HOME": "/"}
    settings, finding = check_settings(environ)
    assert (finding.level, settings.index.shards, settings.router.port) == ("problem", 5, 8080)
    assert "LOOKALIVE_ROUTER__PORT (router.port): Expected `int`, got 'x'" in finding.found
    assert "unknown setting LOOKALIVE_NOSUCH" in finding.found
    assert check_settings({"HOME": "/"})[1].level == "ok"


@pytest.mark.parametrize(
    ("have", "level", "words"),
    [
        (TOPICS, "ok", "12 partitions"),
        (TOPICS | {"items.state": 4}, "problem", "items.state has 4 partitions, not 12"),
        ({n: c for n, c in TOPICS.items() if n != "vectors.g1"}, "problem", "vectors.g1 has no partitions"),
    ],
)
def test_topics(have: dict[str, int], level: str, words: str) -> None:
    (finding,) = check_topics(have, installed(), Settings())
    assert (finding.level, words in finding.found) == (level, True)


def test_no_installation_yet() -> None:
    (finding,) = check_topics({}, ClusterView(), Settings())
    assert finding.level == "warning"


def test_topic_settings() -> None:
    good = {spec.name: dict(spec.config) for spec in base_topics(12)}
    good["catalog.changes"]["retention.ms"] = "604800000"

    def levels(configs: dict[str, dict[str, str]]) -> list[str]:
        return [f.level for f in check_configs(configs, installed(), Settings())]

    assert levels(good) == ["ok"]
    assert levels(good | {"items.state": {"cleanup.policy": "delete"}}) == ["problem", "ok"]
    longer = good | {"catalog.changes": {"cleanup.policy": "delete", "retention.ms": str(365 * 86_400_000)}}
    assert levels(longer) == ["problem"]
    for topic in ("catalog.changes", "catalog.rejects"):
        ever = good | {topic: {"cleanup.policy": "delete", "retention.ms": "-1"}}
        assert levels(ever) == ["problem"]
    assert levels({}) == ["warning"]
