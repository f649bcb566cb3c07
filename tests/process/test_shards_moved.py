"""Shards moved, drained, replicated and rebalanced, and a node killed, while queries and changes go on."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from schemas.cluster import Move
from schemas.cluster_log import publish, read_cluster
from schemas.settings import KafkaSettings
from tests.process.conftest import RunningSystem
from tests.process.pictures import data_url, picture

NAMES = [f"item-{n}" for n in range(40)]
SHARDS = 4


class Customers:
    """Asks for everything all the time, and keeps what was not as it must be; somebody else changes prices."""

    def __init__(self, system: RunningSystem) -> None:
        self._system = system
        self.asked = 0
        self.wrong: list[Any] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._ask, self._ask, self._change)]

    def __enter__(self) -> "Customers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        query = data_url(picture("query")).partition(",")[2]
        body = {"image_b64": query, "k": 100, "exact": True, "timeout_ms": 30_000}
        while not self._stop.wait(0.05):
            status, answer = self._system.post("/v1/search", body)
            self.asked += 1
            if status != 200:
                self.wrong.append((status, answer))
                continue
            found = {hit["item_id"] for hit in answer["items"]}
            if answer["shards"]["ok"] != SHARDS or answer["shards"]["total"] != SHARDS or found != set(NAMES):
                self.wrong.append((answer["shards"], sorted(set(NAMES) ^ found)))

    def _change(self) -> None:
        version = 1
        while not self._stop.wait(0.05):
            version += 1
            name = NAMES[version % len(NAMES)]
            self._system.send({"op": "patch", "item_id": name, "version": version, "attributes": {"price": version}})


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    system = RunningSystem(
        tmp_path_factory.mktemp("moved") / "data",
        LOOKALIVE_MODEL__NAME="fake",
        LOOKALIVE_NODE__COUNT="3",
        LOOKALIVE_INDEX__SHARDS=str(SHARDS),
    )
    for name in NAMES:
        system.send({"op": "upsert", "item_id": name, "version": 1, "image_url": data_url(picture(name))})
    system.eventually(lambda: len(system.found(NAMES)), len(NAMES))
    yield system
    assert system.stop() == 0, system.output.read_text()


def placed(system: RunningSystem) -> dict[int, set[str]]:
    """The nodes that each shard is placed on; all of them serve it."""
    placed: dict[int, set[str]] = {shard: set() for shard in range(SHARDS)}
    for row in system.lookalive("shards", "status"):
        assert row["state"] in ("serving", "compacting")
        placed[row["shard"]].add(row["node"])
    return placed


def shards(system: RunningSystem, *arguments: str) -> Any:
    return system.lookalive("shards", *arguments)


def check(customers: Customers) -> None:
    """Nothing was wrong; where other tests starve the processes here, hardly anything. The soak runs it alone."""
    most = 0 if "SOAK_ROUNDS" in os.environ else customers.asked // 20
    assert len(customers.wrong) <= most, customers.wrong


def test_what_cannot_be_done_is_told(cluster: RunningSystem) -> None:
    assert placed(cluster) == {0: {"n1"}, 1: {"n2"}, 2: {"n3"}, 3: {"n1"}}
    for arguments, words in {
        ("move", "g1/0", "n9"): "no node n9 answers; these do: n1, n2, n3",
        ("move", "g1/7", "n2"): "there is no shard g1/7",
        ("move", "g1/0", "n2", "--from", "n3"): "g1/0 is not on n3, but on n1",
        ("replicate", "4"): "4 replicas need as many nodes, and 3 answer",
    }.items():
        assert words in " ".join(cluster.lookalive_words("shards", *arguments).split())
    assert shards(cluster, "move", "g1/0", "n3", "--dry-run")["done"] is False
    assert placed(cluster)[0] == {"n1"}


def test_a_command_that_was_killed_is_run_again_or_undone(cluster: RunningSystem) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    with Customers(cluster) as customers:
        for target in ("n2", "n3"):
            move = [sys.executable, "-m", "ops.cli", "shards", "move", "g1/0", target]
            with subprocess.Popen(move, env=cluster.environ) as running:
                time.sleep(chance.uniform(0.5, 4))
                running.kill()
            shards(cluster, "move", "g1/0", target, "--wait")
            assert placed(cluster)[0] == {target}

        # What a command leaves that began a move and was killed.
        kafka = KafkaSettings(bootstrap_servers=cluster.endpoints["kafka"])
        held = read_cluster(kafka).placement
        assert held is not None
        left = Move(generation="g1", shard=0, source="n3", target="n1")
        begun = msgspec.structs.replace(
            held,
            epoch=held.epoch + 1,
            writer="killed",
            shards={"g1": [["n3", "n1"], *held.shards["g1"][1:]]},
            moves=[left],
        )
        publish(kafka, begun)
        told = {row["node"]: row["moving"] for row in shards(cluster, "status") if row["shard"] == 0}
        assert told == {"n3": "moves to n1", "n1": "moves from n3"}
        assert [one["target"] for one in shards(cluster, "abort")["undone"]] == ["n1"]
        assert shards(cluster, "abort")["undone"] == []
        assert placed(cluster)[0] == {"n3"}
    check(customers)


def test_no_query_notices(cluster: RunningSystem) -> None:
    with Customers(cluster) as customers:
        shards(cluster, "drain", "n3", "--wait", "--max-concurrent", "2")
        assert not any("n3" in nodes for nodes in placed(cluster).values())

        shards(cluster, "rebalance", "--by", "items", "--wait")
        assert any("n3" in nodes for nodes in placed(cluster).values())

        shards(cluster, "replicate", "2", "--wait", "--max-concurrent", "4")
        assert all(len(nodes) == 2 for nodes in placed(cluster).values())
        asked = customers.asked
        os.kill(cluster.endpoints["pids"]["node/n2"], signal.SIGKILL)
        cluster.eventually(lambda: customers.asked > asked + 40, True)
    check(customers)
    assert customers.asked > 100
