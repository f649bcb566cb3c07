"""A whole lookalive as a user starts it: `lookalive up` in a process of its own, driven from outside."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from confluent_kafka import Producer

from ops.child import die_with_parent

# A busy machine may take long to start and to stop. What settles only after LOOKALIVE_STREAM__STALL_S has stood still.
START_S, SETTLE_S, STOP_S = 180.0, 120.0, 40.0
POLL_S = 0.1


class RunningSystem:
    """`lookalive up` with its endpoints; everything a test does goes over Kafka or HTTP, as a user's would."""

    def __init__(self, data_dir: Path, **environ: str) -> None:
        self.data_dir = data_dir
        self.environ = {n: v for n, v in os.environ.items() if not n.startswith("LOOKALIVE_")}
        self.environ |= {"LOOKALIVE_DATA_DIR": str(data_dir), "LOOKALIVE_ROUTER__PORT": "0"} | environ
        self.output = data_dir.parent / f"{data_dir.name}.out"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ops.cli", "up"],
                env=self.environ,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent,  # noqa: PLW1509  a test run that is broken off leaves nothing behind
            )
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        self.producer = Producer({"bootstrap.servers": self.endpoints["kafka"], "linger.ms": 2, "log_level": 0})

    @property
    def endpoints(self) -> dict[str, Any]:
        endpoints: dict[str, Any] = json.loads((self.data_dir / "endpoints.json").read_text())
        return endpoints

    @property
    def router(self) -> str:
        return str(self.endpoints["router"])

    def wait_ready(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"`up` ended: {self.output.read_text()}"
            try:
                if self.get("/readyz")[0] == 200:
                    return
            except (OSError, ValueError):
                pass
            time.sleep(POLL_S)
        pytest.fail(f"not ready: {self.output.read_text()}{self.logs()}")

    def get(self, path: str) -> tuple[int, Any]:
        return self._ask(urllib.request.Request(self.router + path))

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        data = json.dumps(body).encode()
        return self._ask(urllib.request.Request(self.router + path, data, {"Content-Type": "application/json"}))

    def item(self, item_id: str) -> dict[str, Any] | None:
        """The item as the API has it; None while it cannot be found; ConnectionError while its shard is away."""
        status, body = self.get(f"/v1/items/{quote(item_id, safe='')}")
        if status == 503:
            raise ConnectionError(body)
        assert status in (200, 404), body
        return body if status == 200 else None

    def found(self, item_ids: list[str]) -> dict[str, tuple[int, dict[str, Any]]]:
        """What can be found of these items: version and attributes."""
        items = {item_id: self.item(item_id) for item_id in item_ids}
        return {i: (item["version"], item["attributes"]) for i, item in items.items() if item is not None}

    def send(self, value: dict[str, Any] | bytes | None, key: str | bytes | None = None, **extra: Any) -> None:
        """Produce one record as a plain outside client does: default partitioner, key of the item."""
        if isinstance(value, dict):
            key = value.get("item_id") if key is None else key
            value = json.dumps(value).encode()
        self.producer.produce("catalog.changes", value, key, **extra)
        self.producer.poll(0)

    def flush(self) -> None:
        assert self.producer.flush(30) == 0

    def lookalive(self, *arguments: str) -> Any:
        """The JSON that a `lookalive` command prints."""
        command = [sys.executable, "-m", "ops.cli", *arguments, "--json"]
        done = subprocess.run(command, env=self.environ, capture_output=True, timeout=SETTLE_S, check=False)
        assert done.returncode == 0, done.stderr.decode() + done.stdout.decode()
        return json.loads(done.stdout)

    def lookalive_words(self, *arguments: str, **environ: str) -> str:
        """What a `lookalive` command that fails says."""
        command = [sys.executable, "-m", "ops.cli", *arguments]
        done = subprocess.run(command, env=self.environ | environ, capture_output=True, timeout=SETTLE_S, check=False)
        assert done.returncode != 0, done.stdout.decode()
        return done.stdout.decode() + done.stderr.decode()

    def eventually(self, look: Callable[[], Any], expected: Any, timeout_s: float = SETTLE_S) -> None:
        """Look until it is as expected; the last look is shown when it never is. A refused connection is a look."""
        deadline = time.monotonic() + timeout_s
        last = _looked(look)
        while last != expected and time.monotonic() < deadline:
            assert self.process.poll() is None, f"`up` ended: {self.output.read_text()}"
            time.sleep(POLL_S)
            last = _looked(look)
        assert last == expected, self.logs()

    def kill(self, role: str) -> None:
        """SIGKILL the role's process, once it is there."""
        self.eventually(lambda: alive(self.endpoints["pids"][role]), True)
        os.kill(self.endpoints["pids"][role], signal.SIGKILL)

    def logs(self) -> str:
        """The end of every role's log."""
        return "".join(
            f"\n--- {p.name}\n{p.read_text()[-1500:]}" for p in sorted((self.data_dir / "logs").glob("*.log"))
        )

    def stop(self) -> int:
        """SIGTERM to `up`; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def _ask(self, request: urllib.request.Request) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"null")


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended but was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _looked(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except OSError as error:
        return error


@pytest.fixture
def start_system(tmp_path: Path) -> Iterator[Callable[..., RunningSystem]]:
    """Starts systems with the `fake` model and stops them after the test."""
    started: list[RunningSystem] = []

    def start(name: str = "data", **environ: str) -> RunningSystem:
        defaults = {"LOOKALIVE_MODEL__NAME": "fake", "LOOKALIVE_NODE__COUNT": "2"}
        started.append(RunningSystem(tmp_path / name, **defaults | environ))
        return started[-1]

    yield start
    for system in started:
        system.stop()


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """One running system for every test that leaves it as it found it: items of its own names, nothing killed."""
    running = RunningSystem(
        tmp_path_factory.mktemp("system") / "data", LOOKALIVE_MODEL__NAME="fake", LOOKALIVE_NODE__COUNT="2"
    )
    yield running
    assert running.stop() == 0, running.output.read_text()
