"""`up` as an operator meets it: it stops in time, leaves nobody behind and says no when it must."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable

from tests.process.conftest import RunningSystem, alive


def gone(pids: list[int], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(alive, pids))


def test_sigterm_ends_everything_in_time(start_system: Callable[..., RunningSystem]) -> None:
    system = start_system()
    pids = list(system.endpoints["pids"].values())
    assert {"broker", "stream/1", "node/n1", "node/n2", "router"} == set(system.endpoints["pids"])
    assert system.stop() == 0, system.output.read_text()
    assert gone(pids, 1)
    assert not (system.data_dir / "endpoints.json").exists()


def test_children_die_with_up(start_system: Callable[..., RunningSystem]) -> None:
    system = start_system()
    pids = list(system.endpoints["pids"].values())
    system.process.send_signal(signal.SIGKILL)
    system.process.wait()
    assert gone(pids, 10)


def test_up_ends_when_the_broker_dies(start_system: Callable[..., RunningSystem]) -> None:
    system = start_system()
    pids = list(system.endpoints["pids"].values())
    system.kill("broker")
    assert system.process.wait(30) == 1
    assert "broker ended" in system.output.read_text()
    assert gone(pids, 1)


def test_second_up_with_the_same_folder_is_refused(start_system: Callable[..., RunningSystem]) -> None:
    system = start_system()
    second = subprocess.run(
        [sys.executable, "-m", "ops.cli", "up"], env=system.environ, capture_output=True, timeout=60, check=False
    )
    assert second.returncode == 1
    assert b"another lookalive" in second.stderr
    assert system.get("/readyz")[0] == 200
