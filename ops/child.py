"""One role as a child process: started, watched, restarted and stopped; never outliving its parent."""

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.5, 10.0
STEADY_AFTER_S = 60.0


class Child:
    """A role's process, its log file and the back-off between its restarts."""

    def __init__(self, role: str, command: list[str], environ: Mapping[str, str], log_path: Path) -> None:
        self.role = role
        self.log_path = log_path
        self._command, self._environ = command, dict(environ)
        self._process: subprocess.Popen[bytes] | None = None
        self._backoff_s = FIRST_BACKOFF_S
        self._started_s = 0.0
        self._restart_s: float | None = None
        if log_path.exists():
            log_path.replace(log_path.with_suffix(".previous.log"))

    @property
    def pid(self) -> int:
        """The process id of the newest start."""
        assert self._process is not None, "start() comes first"
        return self._process.pid

    def start(self) -> None:
        """Start the process; its output is appended to the log file."""
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # One system call between fork and exec: safe beside threads.
                preexec_fn=die_with_parent,  # noqa: PLW1509
                process_group=0,
            )
        self._started_s = time.monotonic()
        self._restart_s = None

    def exit_code(self) -> int | None:
        """None while it runs; negative for a signal."""
        return None if self._process is None else self._process.poll()

    def restart_due(self) -> bool:
        """Whether an ended process should be started again now; each early end doubles the wait for the next."""
        now = time.monotonic()
        if self._restart_s is None:
            if now - self._started_s > STEADY_AFTER_S:
                self._backoff_s = FIRST_BACKOFF_S
            self._restart_s = now + self._backoff_s
            self._backoff_s = min(2 * self._backoff_s, LONGEST_BACKOFF_S)
        return now >= self._restart_s

    def terminate(self) -> None:
        """Ask it to end."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def end(self, deadline_s: float) -> None:
        """Wait for its end until the deadline (monotonic seconds), then kill it."""
        if self._process is None:
            return
        try:
            self._process.wait(max(deadline_s - time.monotonic(), 0.05))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def last_words(self, lines: int = 5) -> str:
        """The end of its log, for the message that says it ended."""
        try:
            text = self.log_path.read_text(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.strip().splitlines()[-lines:])


def role_command(role: str) -> list[str]:
    """The command line of a role, run by this very Python."""
    return [sys.executable, "-m", "ops.cli", role]


def die_with_parent() -> None:
    """Runs in the child: the kernel kills it when the thread that started it ends."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
