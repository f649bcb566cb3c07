"""A broker that does not answer, and one that is killed: roles say so, live on, and go on by themselves.

`BROKER_KILLS` kills it more than once.
"""

import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from tests.process.conftest import RunningSystem, alive
from tests.process.pictures import data_url, picture

pytestmark = pytest.mark.usefixtures("java")

KILLS = int(os.environ.get("BROKER_KILLS", "1"))


def worker_ready(system: RunningSystem) -> tuple[int, dict[str, Any]]:
    """What the stream worker's /readyz says."""
    url = json.loads((system.data_dir / "run" / "stream-1.json").read_text())["url"]
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def put(system: RunningSystem, name: str, version: int = 1) -> None:
    url = data_url(picture(name))
    system.send({"op": "upsert", "item_id": name, "image_url": url, "attributes": {}, "version": version})


def test_not_ready_not_dead_and_back(start_system: Callable[..., RunningSystem]) -> None:
    system = start_system(LOOKALIVE_KAFKA__BOOTSTRAP_SERVERS="local", LOOKALIVE_NODE__COUNT="1")
    put(system, "before")
    system.eventually(lambda: system.found(["before"]), {"before": (1, {})})
    system.eventually(lambda: worker_ready(system)[0], 200)
    pids = system.endpoints["pids"]
    os.kill(pids["broker"], signal.SIGSTOP)
    try:
        system.eventually(lambda: "kafka" in worker_ready(system)[1].get("reasons", {}), True)
        assert worker_ready(system)[0] == 503
        # What is there is still found.
        assert system.item("before") is not None
        put(system, "meanwhile")
    finally:
        os.kill(pids["broker"], signal.SIGCONT)
    system.eventually(lambda: system.found(["before", "meanwhile"]), {"before": (1, {}), "meanwhile": (1, {})})
    system.eventually(lambda: worker_ready(system)[0], 200)
    assert system.endpoints["pids"] == pids

    for version in range(KILLS):
        broker = system.endpoints["pids"]["broker"]
        system.kill("broker")
        put(system, "after", version)
        system.eventually(lambda version=version: system.found(["after"]), {"after": (version, {})})
        assert system.endpoints["pids"]["broker"] != broker
    now = system.endpoints["pids"]
    assert all(alive(pid) for pid in now.values())
    others = {role for role in pids if role != "broker"}
    assert {role: now[role] for role in others} == {role: pids[role] for role in others}, "a role died with the broker"
