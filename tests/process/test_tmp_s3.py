"""SIGKILL of any one role but the broker while a load runs: nothing lost, nothing twice, the oracle agrees."""

import os
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.process.conftest import RunningSystem
from tests.process.pictures import data_url, picture

ITEMS, CHANGES, KILLS = 80, 600, 3
Oracle = dict[str, tuple[int, dict[str, Any]]]


class Load:
    """A seeded stream of changes and the dict that says what must be left of it."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._version = 0
        self._sent: list[dict[str, Any]] = []
        self.names = [f"item-{n}" for n in range(ITEMS)]
        self.oracle: Oracle = {}
        self.pictures: dict[str, str] = {}

    def next(self) -> dict[str, Any]:
        """The next change; one in twenty is an old one sent again, which must change nothing."""
        if self._sent and self._chance.random() < 0.05:
            return self._chance.choice(self._sent)
        self._version += 1
        item = self._chance.choice(self.names)
        change: dict[str, Any] = {"item_id": item, "version": self._version}
        roll = self._chance.random()
        if roll < 0.15:
            change |= {"op": "delete"}
            self.oracle.pop(item, None)
        elif roll < 0.45 and item in self.oracle:
            change |= {"op": "patch", "attributes": {"price": self._version}}
            self.oracle[item] = (self._version, self.oracle[item][1] | {"price": self._version})
        else:
            self.pictures[item] = data_url(picture(self._version))
            change |= {"op": "upsert", "image_url": self.pictures[item], "attributes": {"made": self._version}}
            self.oracle[item] = (self._version, {"made": self._version})
        self._sent.append(change)
        return change


@pytest.mark.parametrize("_round", range(int(os.environ.get("SOAK_ROUNDS", "1"))))
@pytest.mark.parametrize("role", ["stream/1", "node/n1", "router"])
def test_killed_while_a_load_runs(start_system: Callable[..., RunningSystem], role: str, _round: int) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    system = start_system(LOOKALIVE_INDEX__SNAPSHOT_EVERY_S="1")
    load, chance = Load(seed), random.Random(seed + 1)
    kills = sorted(chance.sample(range(CHANGES // 10, CHANGES - CHANGES // 10), KILLS))
    for number in range(CHANGES):
        system.send(load.next())
        if number in kills:
            system.flush()
            time.sleep(chance.random())
            system.kill(role)
        time.sleep(chance.random() * 0.01)
    system.flush()

    system.eventually(lambda: system.get("/readyz")[0], 200)
    system.eventually(lambda: system.found(load.names), load.oracle)
    assert system.output.read_text().count("is started again") >= 1
    time.sleep(8)
    check_searches(system, load)


def check_searches(system: RunningSystem, load: Load) -> None:
    """Every live item is in the answer once, no other is, and each one's picture finds it first."""
    query = {"image_b64": data_url(picture("query")).partition(",")[2], "k": 1000, "exact": True}
    status, answer = system.post("/v1/search", query)
    assert status == 200
    assert answer["shards"] == {"total": 3, "ok": 3, "failed": 0, "timed_out": 0}
    assert sorted(hit["item_id"] for hit in answer["items"]) == sorted(load.oracle)
    for item in load.oracle:
        body = {"image_b64": load.pictures[item].partition(",")[2], "k": 1}
        best = system.post("/v1/search", body)[1]["items"][0]
        assert (best["item_id"], best["score"] > 0.999) == (item, True)
