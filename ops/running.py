"""`lookalive up` in the foreground: start, say where everything is, watch until told to stop."""

import time
import urllib.error
import urllib.request
from collections.abc import Callable

from ops.console import out, speak_error
from ops.endpoints import Endpoints, command_line
from ops.stop_signal import Interrupted, Stop, stopped_by_signals
from ops.supervisor import RoleFailed, Supervisor
from schemas.errors import NotReady
from schemas.settings import Settings

WATCH_S = 0.2
READY_S = 120.0


def run_up(settings: Settings) -> int:
    """Run everything until SIGTERM, SIGINT or the end of a role that cannot be restarted; the exit status."""
    with stopped_by_signals() as stop:
        supervisor = Supervisor(settings, say)
        endpoints = started(supervisor, stop)
        if endpoints is None:
            return 0
        try:
            if not wait_ready(supervisor, endpoints.router, stop):
                return 0
            say_where(endpoints)
            say(f"next: {command_line(settings, 'catalog load FOLDER --wait')} in another terminal; Ctrl-C stops it")
            return watch(supervisor, stop)
        except RoleFailed as failure:
            speak_error(failure)
            return 1
        finally:
            say("stopping")
            supervisor.stop()


def say(line: str) -> None:
    """A line for the person who started it."""
    out.print(line, highlight=False, soft_wrap=True)


def say_where(endpoints: Endpoints) -> None:
    """Tell the addresses, once they answer."""
    say(f"ready: {endpoints.router}   nodes: {', '.join(f'{n} {url}' for n, url in endpoints.nodes.items())}")


def started(supervisor: Supervisor, stop: Stop) -> Endpoints | None:
    """Start everything; None when told to stop meanwhile.

    Ctrl-C also ends what a start runs, and breaks off what it is just doing, which may show as any error: none of these
    is one then.

    Raises:
        LookaliveError: something is missing or wrong.
    """
    try:
        with stop.interrupting():
            endpoints = supervisor.start()
    except Interrupted:
        say("stopped before it was up")
        return None
    except Exception:
        if stop.is_set():
            say("stopped before it was up")
            return None
        raise
    say(f"starting; the log of each process is in {supervisor.settings.data_path / 'logs'}")
    return endpoints


def watch(supervisor: Supervisor, stop: Stop) -> int:
    """Keep the children alive until told to stop."""
    while not stop.wait(WATCH_S):
        supervisor.watch_once()
    return 0


def wait_ready(supervisor: Supervisor, router: str, stop: Stop, clock: Callable[[], float] = time.monotonic) -> bool:
    """Watch until the router is ready; False when told to stop before.

    Raises:
        NotReady: it took too long; the message says what is missing.
    """
    deadline = clock() + READY_S
    while not stop.wait(WATCH_S):
        supervisor.watch_once()
        missing = not_ready_reason(router)
        if missing is None:
            return True
        if clock() > deadline:
            raise NotReady(f"not ready after {READY_S:.0f} s: {missing}; see {supervisor.settings.data_path / 'logs'}")
    return False


def not_ready_reason(router: str) -> str | None:
    """What the router says it lacks; None when it is ready."""
    try:
        with urllib.request.urlopen(f"{router}/readyz", timeout=5):
            return None
    except urllib.error.HTTPError as error:
        return error.read().decode(errors="replace")[:500]
    except (urllib.error.URLError, OSError) as error:
        return str(error)
