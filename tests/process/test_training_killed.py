"""`lookalive train` killed by SIGKILL: the same command goes on, and ends with the weights it would have had."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from ops.sample_catalog import draw_catalog

FLAGS = [
    *("--backbone", "test_resnet", "--size", "32", "--hidden", "16", "--dimension", "16", "--epochs", "6"),
    *("--kinds", "4", "--per-kind", "2", "--drop-path", "0.1", "--json"),
]
DEADLINE_S = 120


def started(source: Path, out: Path, folder: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "LOOKALIVE_DATA_DIR": str(folder),
        "LOOKALIVE_MODEL__DEVICE": "cpu",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "ops", "train", str(source), "--out", str(out), *FLAGS]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def fingerprint_of(process: subprocess.Popen[bytes]) -> str:
    said, complaints = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, complaints.decode()
    found: str = json.loads(said)["checkpoint"]["fingerprint"]
    return found


def test_a_killed_training_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    draw_catalog(tmp_path / "drawn", 60, seed=3)
    killed, whole = tmp_path / "killed.safetensors", tmp_path / "whole.safetensors"
    first = started(tmp_path / "drawn", killed, tmp_path)
    state = tmp_path / "killed.safetensors.state"
    deadline = time.monotonic() + DEADLINE_S
    while not state.exists():
        assert first.poll() is None, first.communicate()[1].decode()
        assert time.monotonic() < deadline, "no epoch was over in time"
        time.sleep(0.005)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert not killed.exists(), "it was over before it could be killed"
    again = fingerprint_of(started(tmp_path / "drawn", killed, tmp_path))
    assert again == fingerprint_of(started(tmp_path / "drawn", whole, tmp_path))
    assert not state.exists()
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "killed.json",
        "killed.safetensors",
        "whole.json",
        "whole.safetensors",
    ]
