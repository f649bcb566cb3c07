"""What is measured in a process of its own is answered or raised, and that process does not outlive who waits."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ops.bench.isolation import in_fresh_process
from schemas.errors import InputError

WAITS = """
import os, time
from ops.bench.isolation import in_fresh_process
if __name__ == "__main__":
    in_fresh_process(exec, "import os, time; print(os.getpid(), flush=True); time.sleep(600)")
"""


def test_what_the_function_returns_or_raises_comes_back() -> None:
    assert in_fresh_process(divmod, 17, 5) == (3, 2)
    with pytest.raises(InputError, match="no good"):
        in_fresh_process(_refuse)


def _refuse() -> None:
    raise InputError("no good", code="bad_vectors")


def test_it_ends_with_who_waits_for_it(tmp_path: Path) -> None:
    script = tmp_path / "waits.py"
    script.write_text(WAITS)
    environ = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environ
    ) as waiting:
        assert waiting.stdout is not None
        measuring = int(waiting.stdout.readline())
        waiting.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while _runs(measuring):
        assert time.monotonic() < deadline, f"process {measuring} still runs"
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
