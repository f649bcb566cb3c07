"""A broker that does not answer, and one that is killed: roles say so, live on, and go on by themselves.

`BROKER_KILLS` kills it more than once.
"""

import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest

from tests.process.conftest import RunningSystem, alive
from tests.process.pictures import data_url, picture

pytestmark = pytest.mark.usefixtures("java")

ROLES = ("stream", "router", "n1")
KILLS = int(os.environ.get("BROKER_KILLS", "1"))


def ready(system: RunningSystem) -> dict[str, int]:
    """Role -> the status of its /readyz; 0 for one that is not ready for another reason than Kafka's."""
    worker = json.loads((system.data_dir / "run" / "stream-1.json").read_text())["url"]
    urls = {"stream": worker, "router": system.router, **system.endpoints["nodes"]}
    found = {role: asked(f"{url}/readyz") for role, url in urls.items()}
    return {r: status if status == 200 or "Kafka does not answer" in said else 0 for r, (status, said) in found.items()}


def asked(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def asked_to_write(system: RunningSystem) -> tuple[int, str]:
    body = json.dumps({"attributes": {"n": 1}}).encode()
    request = urllib.request.Request(
        f"{system.router}/v1/items/refused", body, {"Content-Type": "application/json"}, method="PATCH"
    )
    with pytest.raises(urllib.error.HTTPError) as refused, urllib.request.urlopen(request, timeout=30):
        pass
    with refused.value as error:
        return error.code, json.loads(error.read())["error"]["code"]


def put(system: RunningSystem, name: str, version: int = 1) -> None:
    url = data_url(picture(name))
    system.send({"op": "upsert", "item_id": name, "image_url": url, "attributes": {}, "version": version})


def test_not_ready_not_dead_and_back(start_system: Callable[..., RunningSystem]) -> None:
    system = start_system(LOOKALIVE_KAFKA__BOOTSTRAP_SERVERS="local", LOOKALIVE_NODE__COUNT="1")
    put(system, "before")
    system.eventually(lambda: system.found(["before"]), {"before": (1, {})})
    system.eventually(lambda: ready(system), dict.fromkeys(ROLES, 200))
    pids = system.endpoints["pids"]
    os.kill(pids["broker"], signal.SIGSTOP)
    try:
        system.eventually(lambda: ready(system), dict.fromkeys(ROLES, 503))
        # What is there is still found, by looking and by searching; what is written is refused in time.
        assert system.item("before") is not None
        status, answer = system.post("/v1/search", {"item_id": "before", "k": 3})
        assert (status, answer["shards"]["failed"], answer["degraded"]) == (200, 0, None)
        assert asked_to_write(system) == (503, "no_broker")
        put(system, "meanwhile")
    finally:
        os.kill(pids["broker"], signal.SIGCONT)
    system.eventually(lambda: system.found(["before", "meanwhile"]), {"before": (1, {}), "meanwhile": (1, {})})
    system.eventually(lambda: ready(system), dict.fromkeys(ROLES, 200))
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
