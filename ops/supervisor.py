"""The whole system on this machine: a broker, stream workers, shard nodes and a router, kept alive together."""

import fcntl
import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec

from ops.child import Child, role_command
from ops.embedded_broker import BrokerProcess, start_embedded_broker
from ops.endpoints import Endpoints, endpoints_path, running_where, write_endpoints
from ops.installation import FIRST_GENERATION, install
from ops.local_kafka import LocalKafka
from ops.ports import port_of, reserve_port
from schemas.errors import EXIT_CONFIG, EXIT_GAP, LookaliveError, SettingsError
from schemas.kafka_settings import LOCAL
from schemas.settings import Settings, environment_of
from schemas.topics import vectors_topic

STOP_S = 11.0
EMBEDDED_SESSION_MS = 2000
FINAL_EXITS = {
    EXIT_GAP: "the broker dropped changes before they were read. The embedded one keeps a bounded part of the log: "
    "send more slowly, send file: references instead of data: pictures, or use a real Kafka (--kafka local, or "
    "--kafka HOST:PORT)",
    EXIT_CONFIG: "wrong configuration",
}
DERIVED = ("nodes", "stream", "run", "images")
LOCAL_LOG = "kafka"


class RoleFailed(LookaliveError):
    """A role ended in a way that starting it again cannot mend."""

    def __init__(self, role: str, why: str, last_words: str) -> None:
        super().__init__(f"{role} ended: {why}\n{last_words}".rstrip(), code="role_failed", role=role)


class Supervisor:
    """Starts every role in the order in which they need each other, restarts what dies and stops everything.

    All children are started from one thread, since the kernel ends them with the thread that started them.
    """

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self._say = say
        self._asked = settings
        self._broker: BrokerProcess | None = None
        self._local: LocalKafka | None = None
        self._children: dict[str, Child] = {}
        self._lock: IO[bytes] | None = None
        self._ports: list[socket.socket] = []
        self.settings = settings
        self.endpoints: Endpoints | None = None

    def start(self) -> Endpoints:
        """Start everything; returns as soon as the endpoints are written (readiness comes from `/readyz`).

        Raises:
            LookaliveError: something is missing or wrong; nothing is left running.
        """
        try:
            return self._start()
        except BaseException:
            self.stop()
            raise

    def watch_once(self) -> None:
        """Look at every child once and start again what ended.

        Raises:
            RoleFailed: the broker ended, or a role said that starting it again is of no use.
        """
        if self._broker is not None and self._broker.process.poll() is not None:
            raise RoleFailed("broker", "its log lived in memory, so everything ends with it; start again", "")
        changed = False
        for child in self._watched():
            code = child.exit_code()
            if code is None:
                continue
            if code in FINAL_EXITS and child.role != "broker":
                raise RoleFailed(child.role, FINAL_EXITS[code], child.last_words())
            if child.restart_due():
                self._say(f"{child.role} ended ({_how(code)}) and is started again; its log: {child.log_path}")
                child.start()
                changed = True
        if changed:
            self._write_endpoints()

    def stop(self) -> None:
        """End everything within 15 s: the front first, the broker last."""
        deadline_s = time.monotonic() + STOP_S
        for child in reversed(self._children.values()):
            child.terminate()
        for child in reversed(self._children.values()):
            child.end(deadline_s)
        for broker in (self._broker, self._local):
            if broker is not None:
                broker.stop()
        for port in self._ports:
            port.close()
        if self._lock is not None:
            endpoints_path(self.settings.data_path).unlink(missing_ok=True)
            self._lock.close()
        self._children, self._ports, self._broker, self._local, self._lock = {}, [], None, None, None

    def _start(self) -> Endpoints:
        self._lock = lock_data_folder(self._asked.data_path)
        router_port = self._reserve(self._asked.router.host, self._asked.router.port)
        self.settings = self._with_kafka()
        names = [f"n{i + 1}" for i in range(self.settings.node.count)]
        view = install(self.settings, names)
        assert view.installation is not None
        node_ports = {name: self._reserve(self.settings.node.host) for name in names}
        self.settings = replace_in(self.settings, "router", port=router_port)
        for name, port in node_ports.items():
            self._launch(f"node/{name}", "node", replace_in(self.settings, "node", id=name, port=port))
        self._launch(f"stream/{self.settings.stream.id}", "stream", self.settings)
        self._launch("router", "router", self.settings)
        self._node_urls = {name: f"http://{self.settings.node.host}:{port}" for name, port in node_ports.items()}
        return self._write_endpoints()

    def _reserve(self, host: str, port: int = 0) -> int:
        """A port that a role finds free at its start and at every other."""
        self._ports.append(reserve_port(host, port))
        return port_of(self._ports[-1])

    def _with_kafka(self) -> Settings:
        settings = self._asked
        settings = replace_in(settings, "images", any_file=True)
        if settings.kafka.is_named:
            self._say(f"Kafka: {settings.kafka.bootstrap_servers}")
            return settings
        log_folder = settings.data_path / LOCAL_LOG
        if settings.kafka.bootstrap_servers == LOCAL:
            return self._with_local_kafka(settings, log_folder)
        if log_folder.exists():
            raise SettingsError(
                f"{log_folder} holds a catalogue that lasts, and a start without --kafka forgets pictures: go on with "
                "--kafka local, or set LOOKALIVE_DATA_DIR to another folder"
            )
        for folder in DERIVED:
            shutil.rmtree(settings.data_path / folder, ignore_errors=True)
        self._broker = start_embedded_broker(settings.kafka.partitions, [vectors_topic(FIRST_GENERATION)])
        self._say(
            f"Kafka: embedded, {self._broker.bootstrap_servers}, in memory: a stop forgets every item. "
            "`lookalive up --kafka local` or `--kafka HOST:PORT` keep it."
        )
        return replace_in(
            settings,
            "kafka",
            bootstrap_servers=self._broker.bootstrap_servers,
            embedded=True,
            session_timeout_ms=min(settings.kafka.session_timeout_ms, EMBEDDED_SESSION_MS),
        )

    def _with_local_kafka(self, settings: Settings, log_folder: Path) -> Settings:
        if settings.kafka.security_protocol != "PLAINTEXT":
            raise SettingsError("--kafka local is on loopback and takes no LOOKALIVE_KAFKA__SECURITY_PROTOCOL")
        self._say("Kafka: starting a local one (the first time, Maven fetches its jars)")
        self._local = LocalKafka(log_folder, settings.data_path / "logs" / "broker.log")
        self._local.start()
        self._say(f"Kafka: local, {self._local.bootstrap_servers}, kept in {log_folder}")
        return replace_in(settings, "kafka", bootstrap_servers=self._local.bootstrap_servers)

    def _watched(self) -> list[Child]:
        """Every child that is started again when it ends, the broker that keeps its log first."""
        return [*([] if self._local is None else [self._local.child]), *self._children.values()]

    def _launch(self, role: str, command: str, settings: Settings) -> None:
        environ = {n: v for n, v in os.environ.items() if not n.startswith("LOOKALIVE_")} | environment_of(settings)
        if command == "node":
            environ["OMP_NUM_THREADS"] = "1"
        log_path = settings.data_path / "logs" / f"{role.replace('/', '-')}.log"
        child = Child(role, role_command(command), environ, log_path)
        child.start()
        self._children[role] = child

    def _write_endpoints(self) -> Endpoints:
        pids = {} if self._broker is None else {"broker": self._broker.process.pid}
        if self._local is not None:
            pids["broker"] = self._local.child.pid
        router = self.settings.router
        self.endpoints = Endpoints(
            kafka=self.settings.kafka.bootstrap_servers,
            router=f"http://{router.host}:{router.port}",
            nodes=self._node_urls,
            pids=pids | {role: child.pid for role, child in self._children.items()},
            embedded=self.settings.kafka.embedded,
            partitions=self.settings.kafka.partitions,
        )
        write_endpoints(self.settings.data_path, self.endpoints)
        return self.endpoints


def replace_in(settings: Settings, section: str, **values: object) -> Settings:
    """The settings with some values of one section replaced."""
    return msgspec.structs.replace(settings, **{section: msgspec.structs.replace(getattr(settings, section), **values)})


def lock_data_folder(data_path: Path) -> IO[bytes]:
    """Hold the data folder until the file is closed.

    Raises:
        SettingsError: another `lookalive up` holds it, or it cannot be written.
    """
    try:
        data_path.mkdir(parents=True, exist_ok=True)
        handle = (data_path / "lock").open("ab")
    except OSError as error:
        raise SettingsError(f"the data folder {data_path} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        raise SettingsError(
            f"another lookalive runs with the data folder {data_path}{running_where(data_path)}; stop it, or set "
            "LOOKALIVE_DATA_DIR and another port (`make demo DATA_DIR=folder PORT=8081`)"
        ) from error
    handle.truncate(0)
    handle.write(b"%d\n" % os.getpid())
    handle.flush()
    return handle


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
