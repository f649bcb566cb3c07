"""`up` with settings that cannot work: one clear line, no traceback, nothing left running."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

REFUSED = {
    "an unknown setting": ({"LOOKALIVE_ROUTER_PORT": "1"}, b"unknown setting LOOKALIVE_ROUTER_PORT"),
    "an unknown model": ({"LOOKALIVE_MODEL__NAME": "no-such-model"}, b"no-such-model"),
    "more shards than partitions": ({"LOOKALIVE_INDEX__SHARDS": "13"}, b"13 shards"),
    "a Kafka that is not there": ({"LOOKALIVE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}, b"Kafka does not answer"),
    "a folder that cannot be made": ({"LOOKALIVE_DATA_DIR": "/dev/null/data"}, b"cannot be written"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    wrong, words = REFUSED[name]
    environ = {n: v for n, v in os.environ.items() if not n.startswith("LOOKALIVE_")}
    environ |= {"LOOKALIVE_DATA_DIR": str(tmp_path / "data"), "LOOKALIVE_ROUTER__PORT": "0"} | wrong
    command = [sys.executable, "-m", "ops.cli", "up"]
    done = subprocess.run(command, env=environ, capture_output=True, timeout=60, check=False)
    assert done.returncode in (1, 78)
    assert words in done.stderr, done.stderr
    assert b"Traceback" not in done.stderr


def test_ctrl_c_during_the_start_is_no_error(tmp_path: Path) -> None:
    """A terminal sends it to the whole group, so also to the process that loads the model just then."""
    environ = {n: v for n, v in os.environ.items() if not n.startswith("LOOKALIVE_")}
    environ |= {"LOOKALIVE_DATA_DIR": str(tmp_path / "data"), "LOOKALIVE_ROUTER__PORT": "0"}
    up = subprocess.Popen(
        [sys.executable, "-u", "-m", "ops", "up"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
    )
    assert up.stdout is not None
    assert up.stdout.readline().startswith(b"Kafka: embedded")
    os.killpg(up.pid, signal.SIGINT)
    _, said = up.communicate(timeout=60)
    assert (up.returncode, said) == (0, b"")
    assert not (tmp_path / "data" / "endpoints.json").exists()
