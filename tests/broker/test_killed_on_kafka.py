"""SIGKILL on real Kafka: every role at random, as soon as the last victim is back, and the broker; then the oracle.

A second stream worker joins and leaves all the while, in order or by SIGKILL.
`CRASH_S` is how long a round lasts (seconds), `CRASH_SEEDS` how many rounds, `CRASH_BROKER_KILLS` how often the broker
dies in each; `CRASH_SEED` repeats one round.
"""

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError, Message, Producer

from ops.supervisor import FINAL_EXITS
from ops.topic_reading import read_stretch
from schemas.kafka_clients import kept_offsets
from schemas.settings import KafkaSettings
from schemas.topics import CHANGES
from tests.broker.crash_load import CrashLoad
from tests.process.conftest import RunningSystem, alive
from tests.process.pictures import data_url, picture

pytestmark = pytest.mark.usefixtures("java")

ITEMS, CHANGES_PER_S = 80, 40
CRASH_S = float(os.environ.get("CRASH_S", "60"))
SEEDS = int(os.environ.get("CRASH_SEEDS", "1"))
BROKER_KILLS = int(os.environ.get("CRASH_BROKER_KILLS", "1"))
VICTIMS = ("stream/1", "node/n1", "node/n2", "router")
LOOK_S = 0.25
Origin = tuple[int, int]


class Sender:
    """An idempotent producer, as careful shops use one; knows what must be refused."""

    def __init__(self, system: RunningSystem) -> None:
        self._producer = Producer(
            {"bootstrap.servers": system.endpoints["kafka"], "enable.idempotence": True, "linger.ms": 2, "log_level": 0}
        )
        self.poison: set[bytes] = set()
        self.poisoned = 0
        self.failed: list[str] = []
        self.sent = 0

    def send(self, load: CrashLoad) -> None:
        self._produce(load.next())

    def finish(self, load: CrashLoad) -> None:
        for record in load.rest():
            self._produce(record)
        assert self._producer.flush(120) == 0
        assert not self.failed

    def _produce(self, record: object) -> None:
        key, value, poison = record  # type: ignore[misc]

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                self.failed.append(error.str())

        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        if poison:
            self.poison.add(data)
            self.poisoned += 1
        self._producer.produce("catalog.changes", data, key, on_delivery=delivered)
        self._producer.poll(0)
        self.sent += 1


class Killer:
    """Kills one role after the other."""

    def __init__(self, system: RunningSystem, chance: random.Random, broker_at_s: list[float]) -> None:
        self._system, self._chance, self._broker_at_s = system, chance, broker_at_s
        self._victim, self._pid = "", 0
        self.kills: list[str] = []

    def step(self, now_s: float) -> None:
        """Kill the next, when the last one is back."""
        if self._victim and not self._is_back():
            return
        broker_due = self._broker_at_s and now_s >= self._broker_at_s[0]
        self._victim = "broker" if broker_due else self._chance.choice(VICTIMS)
        if broker_due:
            self._broker_at_s.pop(0)
        self._pid = self._system.endpoints["pids"][self._victim]
        if alive(self._pid):
            os.kill(self._pid, 9)
            self.kills.append(self._victim)
        else:
            self._victim = ""

    def _is_back(self) -> bool:
        """A new process, and ready; the broker is back when the stream worker can work with it."""
        endpoints = self._system.endpoints
        if endpoints["pids"][self._victim] == self._pid:
            return False
        match self._victim.split("/"):
            case ["node", name]:
                return ready(endpoints["nodes"][name])
            case ["router"]:
                return ready(endpoints["router"])
        try:
            announced = json.loads((self._system.data_dir / "run" / "stream-1.json").read_text())
        except (OSError, ValueError):
            return False
        return bool(announced["pid"] == endpoints["pids"]["stream/1"]) and ready(announced["url"])


class SecondWorker:
    """A stream worker beside the one that `up` keeps: it joins, stays some seconds, leaves, and comes again."""

    def __init__(self, system: RunningSystem, chance: random.Random) -> None:
        endpoints = system.endpoints
        self._environ = system.environ | {
            "LOOKALIVE_KAFKA__BOOTSTRAP_SERVERS": endpoints["kafka"],
            "LOOKALIVE_STREAM__ID": "2",
        }
        self._chance = chance
        self._output = system.data_dir / "logs" / "stream-2.log"
        self._announced = system.data_dir / "run" / "stream-2.json"
        self._process: subprocess.Popen[bytes] | None = None
        self._leave_s = math.inf
        self.left: list[str] = []

    def step(self, now_s: float) -> None:
        """Join, or leave when it has worked for a while."""
        if self._process is None:
            with self._output.open("ab") as output:
                command = [sys.executable, "-m", "ops.cli", "stream"]
                self._process = subprocess.Popen(command, env=self._environ, stdout=output, stderr=subprocess.STDOUT)
        elif self._process.poll() is not None:
            # It may end itself while the broker is away; final refusals are failures.
            assert self._process.returncode not in FINAL_EXITS, self._output.read_text()[-2000:]
            self._process, self._leave_s = None, math.inf
        elif self._leave_s == math.inf:
            if self._is_ready():
                self._leave_s = now_s + self._chance.uniform(2, 8)
        elif now_s > self._leave_s:
            number = self._chance.choice((signal.SIGTERM, signal.SIGKILL))
            self._process.send_signal(number)
            self.left.append(number.name)
            self._leave_s = math.inf
            self._process.wait(20)

    def stop(self) -> None:
        """Leave for good."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)

    def _is_ready(self) -> bool:
        assert self._process is not None
        try:
            announced = json.loads(self._announced.read_text())
        except (OSError, ValueError):
            return False
        return announced["pid"] == self._process.pid and ready(announced["url"])


def ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


def refused(system: RunningSystem) -> dict[Origin, Any]:
    rows = system.lookalive("catalog", "rejects", "--limit", "100000")
    return {(row["origin"]["partition"], row["origin"]["offset"]): row for row in rows}


def poisonous(system: RunningSystem, poison: set[bytes]) -> set[Origin]:
    """Where the log has what must be refused; a broker that is killed may have taken a record twice."""
    kafka = KafkaSettings(bootstrap_servers=system.endpoints["kafka"])
    kept = kept_offsets(kafka, CHANGES, range(kafka.partitions))
    starts, ends = {p: low for p, (low, _) in kept.items()}, {p: high for p, (_, high) in kept.items()}
    return {(r.partition, r.offset) for r in read_stretch(kafka, CHANGES, starts, ends) if r.value in poison}


def first_hit(system: RunningSystem, url: str) -> tuple[str, bool]:
    """The item found first by a picture, and whether by that very picture."""
    status, answer = system.post("/v1/search", {"image_b64": url.partition(",")[2], "k": 1})
    if status != 200 or not answer["items"]:
        raise ConnectionError(answer)
    return answer["items"][0]["item_id"], answer["items"][0]["score"] > 0.999


def everything(system: RunningSystem) -> list[str]:
    """Every item that a search can find."""
    body = {"image_b64": data_url(picture("query")).partition(",")[2], "k": 1000, "exact": True}
    status, answer = system.post("/v1/search", body)
    if status != 200 or answer["shards"]["ok"] != answer["shards"]["total"]:
        raise ConnectionError(answer)
    return sorted(hit["item_id"] for hit in answer["items"])


def under_fire(load: CrashLoad, sender: Sender, killer: Killer, second: SecondWorker, chance: random.Random) -> None:
    """Send and kill for as long as a round lasts."""
    began_s = looked_s = time.monotonic()
    while (now_s := time.monotonic()) - began_s < CRASH_S:
        sender.send(load)
        if now_s - looked_s > LOOK_S:
            killer.step(now_s - began_s)
            second.step(now_s - began_s)
            looked_s = now_s
        time.sleep(chance.random() * 2 / CHANGES_PER_S)


@pytest.mark.timeout(300 + 2 * CRASH_S)
@pytest.mark.parametrize("_round", range(SEEDS))
def test_nothing_lost_nothing_raised(start_system: Callable[..., RunningSystem], _round: int) -> None:
    seed = int(os.environ.get("CRASH_SEED", random.SystemRandom().randrange(2**32)))
    print(f"seed {seed}")
    chance = random.Random(seed + 1)
    system = start_system(
        LOOKALIVE_KAFKA__BOOTSTRAP_SERVERS="local",
        LOOKALIVE_KAFKA__SESSION_TIMEOUT_MS="2000",
        LOOKALIVE_INDEX__SNAPSHOT_EVERY_S="2",
    )
    load, sender = CrashLoad(seed, ITEMS), Sender(system)
    broker_at_s = sorted(chance.uniform(0.2, 0.8) * CRASH_S for _ in range(BROKER_KILLS))
    killer, second = Killer(system, chance, broker_at_s), SecondWorker(system, chance)
    try:
        under_fire(load, sender, killer, second, chance)
    finally:
        second.stop()
    sender.finish(load)
    print(f"the second worker left by {' '.join(second.left)}")
    print(f"{sender.sent} changes, {sender.poisoned} of them poison; killed: {' '.join(killer.kills)}")
    assert len(killer.kills) >= 2 + BROKER_KILLS

    oracle, pictures = load.oracle()
    system.eventually(lambda: system.get("/readyz")[0], 200)
    system.eventually(lambda: system.found(load.names), oracle)
    system.eventually(lambda: everything(system), sorted(oracle))
    for item, urls in pictures.items():
        for url in urls:
            system.eventually(lambda url=url: first_hit(system, url), (item, True))
    poison = poisonous(system, sender.poison)
    print(f"the log has {len(poison)} of them")
    system.eventually(lambda: poison - refused(system).keys(), set())
    assert [row for origin, row in refused(system).items() if origin not in poison] == []
