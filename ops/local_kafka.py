"""One durable Apache Kafka for this machine: a single JVM that is broker and controller (KRaft), on loopback only.

    python -m ops.local_kafka --folder .lookalive/kafka     run it alone, until a signal

Its log lies in a folder and outlives the process; a broker that was killed recovers it at its next start.
"""

import argparse
import os
import socket
import subprocess
import sys
import time
import uuid
import weakref
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from ops.child import Child
from ops.kafka_jars import java_command, kafka_jars
from ops.ports import port_of, reserve_port
from ops.stop_signal import stopped_by_signals
from schemas.errors import LogError, LookaliveError, NotReady, SettingsError
from schemas.kafka_clients import MAX_MESSAGE_BYTES, common_config
from schemas.settings import MIB, KafkaSettings

HOST = "127.0.0.1"
START_ATTEMPTS, ATTEMPT_TIMEOUT_S = 3, 40.0
STOP_TIMEOUT_S, FORMAT_TIMEOUT_S = 3.5, 60.0
# Kafka waits a minute for a registration that may never come, and ends then; ending sooner, it is started again sooner.
REGISTRATION_MS = 15_000
LOOK_S, ASK_S = 0.2, 2.0
HEAP = ("-Xms128m", "-Xmx512m")
# What ends at once need not be compiled well.
SHORT_LIVED = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
# Warnings, and how far the start has come; the rest of Kafka's log is of use to nobody here.
_LOGGING = """\
status = error
rootLogger.level = warn
logger.server.name = kafka.server
logger.server.level = info
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %c{1}: %m%n
"""


class LocalKafka:
    """The broker of one folder: prepared once, then started, killed and started again on the same ports.

    With `users` (name -> password) clients must log in by SASL/PLAIN; without, everybody on this machine may come.
    """

    def __init__(self, folder: Path, log_path: Path, users: Mapping[str, str] | None = None) -> None:
        """Fetch the jars and make the folder ready where that was not done before; starts nothing that stays.

        Raises:
            SettingsError: Java or Maven is missing.
            LogError: the folder cannot be made into a broker's.
        """
        self._folder, self._users = folder, dict(users or {})
        java, jars = java_command(), kafka_jars()
        folder.mkdir(parents=True, exist_ok=True)
        self.port, self._controller_port = self._reserve()
        self._properties = folder / "server.properties"
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in self._config().items()))
        (folder / "log4j2.properties").write_text(_LOGGING)
        options = [*HEAP, f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}", "-cp", f"{jars}/*"]
        self._format([java, *SHORT_LIVED, *options])
        self.child = Child("broker", [java, *options, "kafka.Kafka", str(self._properties)], os.environ, log_path)

    @property
    def bootstrap_servers(self) -> str:
        """host:port for clients."""
        return f"{HOST}:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers; a start that comes to nothing is tried again.

        Raises:
            NotReady: every attempt ended, or did not answer in time.
        """
        for _ in range(START_ATTEMPTS):
            self.child.start()
            if self._comes_up():
                return
            self.child.end(time.monotonic())
        raise NotReady(
            f"Apache Kafka did not come up in {START_ATTEMPTS} attempts; its log: {self.log_path}\n"
            f"{self.child.last_words()}"
        )

    def _comes_up(self) -> bool:
        """Whether it answers in time, rather than ending or standing still."""
        deadline_s = time.monotonic() + ATTEMPT_TIMEOUT_S
        while self.child.exit_code() is None and time.monotonic() < deadline_s:
            if self._answers():
                return True
            time.sleep(LOOK_S)
        return False

    def stop(self) -> None:
        """End it in order, or by force when that takes too long: its log survives both."""
        self.child.terminate()
        self.child.end(time.monotonic() + STOP_TIMEOUT_S)

    @property
    def log_path(self) -> Path:
        """Where it writes what it has to say."""
        return self.child.log_path

    def _answers(self) -> bool:
        """Whether the listener is there, and behind it a broker that knows its cluster."""
        try:
            with socket.create_connection((HOST, self.port), timeout=ASK_S):
                pass
        except OSError:
            return False
        user, password = next(iter(self._users.items()), ("", ""))
        asking = KafkaSettings(
            bootstrap_servers=self.bootstrap_servers,
            security_protocol="SASL_PLAINTEXT" if user else "PLAINTEXT",
            sasl_username=user,
            sasl_password=password,
        )
        try:
            return bool(AdminClient(common_config(asking)).list_topics(timeout=ASK_S).brokers)
        except KafkaException:
            return False

    def _config(self) -> dict[str, str]:
        protocol = "SASL_PLAINTEXT" if self._users else "PLAINTEXT"
        clients, controller = f"{HOST}:{self.port}", f"{HOST}:{self._controller_port}"
        config = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "listeners": f"CLIENTS://{clients},CONTROLLER://{controller}",
            "advertised.listeners": f"CLIENTS://{clients}",
            "listener.security.protocol.map": f"CLIENTS:{protocol},CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "CLIENTS",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": f"1@{controller}",
            "log.dirs": str(self._folder / "log"),
            "auto.create.topics.enable": "false",
            "delete.topic.enable": "true",
            "message.max.bytes": str(MAX_MESSAGE_BYTES),
            # A cluster of one cannot replicate its own topics.
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            # Kafka's defaults are for a machine of its own.
            "num.network.threads": "2",
            "num.io.threads": "4",
            "background.threads": "2",
            "log.cleaner.dedupe.buffer.size": str(16 * MIB),
            "log.index.size.max.bytes": str(MIB),
            # One that was killed may come back as soon as its last session has ended.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            "initial.broker.registration.timeout.ms": str(REGISTRATION_MS),
        }
        return config | _log_in(self._users)

    def _reserve(self) -> tuple[int, int]:
        """The ports of last time, so that producers find it again; others where somebody has taken them.

        They stay its own, also while it is down, as long as this object lives.
        """
        reserved = [_reserve_if_free(wanted) for wanted in self._last_ports()]
        for port in reserved:
            weakref.finalize(self, port.close)
        return port_of(reserved[0]), port_of(reserved[1])

    def _last_ports(self) -> tuple[int, int]:
        try:
            lines = (self._folder / "ports").read_text().split()
            return int(lines[0]), int(lines[1])
        except (OSError, ValueError, IndexError):
            return 0, 0

    def _format(self, java: list[str]) -> None:
        """Give the folder a cluster's identity, once in its life."""
        (self._folder / "ports").write_text(f"{self.port} {self._controller_port}\n")
        if (self._folder / "log" / "meta.properties").exists():
            return
        command = [*java, "kafka.tools.StorageTool", "format", "-t", new_cluster_id(), "-c", str(self._properties)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=FORMAT_TIMEOUT_S, check=False)
        if done.returncode != 0:
            raise LogError(f"Apache Kafka could not prepare {self._folder}: {(done.stdout + done.stderr)[-500:]}")


def new_cluster_id() -> str:
    """Sixteen random bytes in base64; as with Kafka's own, none begins like an option of its tools, with a dash."""
    while (cluster := urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return cluster


def _reserve_if_free(port: int) -> socket.socket:
    try:
        return reserve_port(HOST, port)
    except SettingsError:
        return reserve_port(HOST)


def _log_in(users: Mapping[str, str]) -> dict[str, str]:
    """The broker's settings that let these users in; the first one is the broker's own."""
    if not users:
        return {}
    name, password = next(iter(users.items()))
    known = "".join(f' user_{user}="{secret}"' for user, secret in users.items())
    module = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    return {
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.clients.plain.sasl.jaas.config": f'{module} username="{name}" password="{password}"{known};',
    }


def main() -> int:
    """Run the broker of a folder until SIGTERM or SIGINT; the exit status is 1 when it does not start or ends early."""
    parser = argparse.ArgumentParser(description="One durable Apache Kafka on this machine.")
    parser.add_argument("--folder", type=Path, required=True, help="where its log lies")
    folder = parser.parse_args().folder.absolute()
    with stopped_by_signals() as stop:
        try:
            kafka = LocalKafka(folder, folder / "broker.log")
            kafka.start()
        except LookaliveError as error:
            sys.stderr.write(f"error: {error.message}\n")
            return 1
        sys.stdout.write(f"LOOKALIVE_KAFKA__BOOTSTRAP_SERVERS={kafka.bootstrap_servers}\n")
        sys.stdout.flush()
        while not stop.wait(LOOK_S) and kafka.child.exit_code() is None:
            pass
        ended = kafka.child.exit_code() is not None
        kafka.stop()
        return int(ended)


if __name__ == "__main__":
    sys.exit(main())
