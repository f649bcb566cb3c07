"""Long work of a command, ended at once by Ctrl-C or by the end of the system it needs."""

import socket
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from ops.endpoints import read_endpoints
from schemas.errors import NotReady
from schemas.settings import KafkaSettings, Settings

T = TypeVar("T")
LOOK_S = 0.25
PROBE_EVERY_S, PROBE_TIMEOUT_S = 2.0, 1.0
SILENT_S = 5.0


def run_watched(work: Callable[[], T], look: Callable[[], None]) -> T:
    """The result of `work`, run in a thread of its own, while `look` is called four times a second.

    A call into the Kafka client does not return before its own time-out, neither for a signal nor for a broker that is
    gone; so the main thread makes none. What `look` raises, or Ctrl-C, leaves the thread behind: it ends with the
    process.
    """
    result: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            result.append(work())
        except BaseException as error:  # noqa: BLE001  handed to the one who waits
            failure.append(error)

    thread = threading.Thread(target=run, name="work", daemon=True)
    thread.start()
    while True:
        thread.join(LOOK_S)
        if failure:
            raise failure[0]
        if result:
            return result[0]
        look()


class KafkaWatch:
    """Looks whether the Kafka that a command writes to is still there."""

    def __init__(
        self,
        settings: Settings,
        kafka: KafkaSettings,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._kafka, self._say, self._clock = settings, kafka, say, clock
        self._probed_s = self._answered_s = clock()
        self._said = False

    def look(self) -> None:
        """Say once when no broker has accepted a connection for 5 s.

        Raises:
            NotReady: the system on this machine whose Kafka it is has ended.
        """
        if not self._settings.kafka.is_named:
            running = read_endpoints(self._settings.data_path)
            if running is None or running.kafka != self._kafka.bootstrap_servers:
                raise NotReady(
                    f"the system with the data folder {self._settings.data_path} ended meanwhile; start it, then give "
                    "the same command again"
                )
        now = self._clock()
        if now - self._probed_s < PROBE_EVERY_S:
            return
        self._probed_s = now
        if any(accepts(address) for address in self._kafka.bootstrap_servers.split(",")):
            self._answered_s, self._said = now, False
        elif now - self._answered_s >= SILENT_S and not self._said:
            self._said = True
            self._say(
                f"Kafka ({self._kafka.bootstrap_servers}) does not answer: waiting for it. Ctrl-C ends; the same "
                "command goes on later"
            )


def accepts(address: str) -> bool:
    """Whether something accepts connections at `host:port`."""
    host, _, port = address.strip().rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=PROBE_TIMEOUT_S):
            return True
    except (OSError, ValueError):
        return False
