"""The router as a process of its own: it answers before it is ready, says where it is, and ends when told to."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

NO_BROKER = "127.0.0.1:1"
DEADLINE_S = 60.0


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts routers that find no broker; kills those that are left."""
    started: list[subprocess.Popen[str]] = []

    def run(**environ: str) -> subprocess.Popen[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LOOKALIVE_")}
        ours = {
            "LOOKALIVE_DATA_DIR": str(tmp_path / "data"),
            "LOOKALIVE_KAFKA__BOOTSTRAP_SERVERS": NO_BROKER,
            "LOOKALIVE_MODEL__NAME": "fake",
            "LOOKALIVE_ROUTER__PORT": "0",
        }
        command = [sys.executable, "-m", "query_router.main"]
        process = subprocess.Popen(command, env=clean | ours | environ, text=True, stderr=subprocess.PIPE)
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def announcement(tmp_path: Path, process: subprocess.Popen[str]) -> dict[str, Any]:
    path = tmp_path / "data" / "run" / "router.json"
    deadline = time.monotonic() + DEADLINE_S
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def get(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_alive_but_not_ready_without_a_broker(start: Any, tmp_path: Path) -> None:
    process = start()
    told = announcement(tmp_path, process)
    assert told["pid"] == process.pid
    assert get(told["url"] + "/healthz") == (200, {"status": "alive"})
    status, body = get(told["url"] + "/readyz")
    assert (status, body["error"]["code"]) == (503, "not_ready")
    assert any("installation" in reason for reason in body["error"]["details"]["reasons"])
    assert get(told["url"] + "/v1/items/a")[0] == 503
    assert get(told["url"] + "/openapi.json")[1]["openapi"].startswith("3.1")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_when_told_to_and_takes_its_announcement_along(start: Any, tmp_path: Path, number: signal.Signals) -> None:
    process = start()
    announcement(tmp_path, process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert not (tmp_path / "data" / "run" / "router.json").exists()


def test_port_in_use_is_one_line(start: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = start(LOOKALIVE_ROUTER__PORT=port)
        _, errors = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, errors.count("\n")) == (1, 1)
    assert f"port {port}" in errors
    assert "LOOKALIVE_ROUTER__PORT" in errors


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"LOOKALIVE_ROUTER__HOST": "0.0.0.0"}, "loopback"),
        ({"LOOKALIVE_KAFKA__BOOTSTRAP_SERVERS": ""}, "Kafka"),
        ({"LOOKALIVE_MODEL__NAME": "nonsense"}, "nonsense"),
    ],
)
def test_wrong_settings_end_it_with_one_line(start: Any, environ: dict[str, str], named: str) -> None:
    process = start(**environ)
    _, errors = process.communicate(timeout=DEADLINE_S)
    ours = [line for line in errors.splitlines() if not line.startswith("%")]  # librdkafka's own begin with a level
    assert process.returncode == 1
    assert len(ours) == 1
    assert ours[0].startswith("error: ")
    assert named in ours[0]


def test_picture_free_client_calls_work_synchronously(start: Any, tmp_path: Path) -> None:
    from query_router.client import RouterClient
    from schemas.errors import LookaliveError

    told = announcement(tmp_path, start())
    with RouterClient(told["url"]) as client:
        assert not client.ready()
        with pytest.raises(LookaliveError, match="installation"):
            client.item("sku-1")
    with RouterClient("http://127.0.0.1:1") as client, pytest.raises(LookaliveError, match="does not answer"):
        client.item("sku-1")
