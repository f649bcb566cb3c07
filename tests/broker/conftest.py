"""Real Apache Kafka for tests: one JVM with its log in a folder of the session, or the cluster the environment names.

Tests that must stop or kill a broker always have one of their own. In continuous integration (`CI` set) a missing Java
fails the tests; elsewhere they are skipped, and the reason says what is missing.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.kafka_jars import java_command, kafka_jars
from ops.local_kafka import LocalKafka
from schemas.errors import SettingsError
from schemas.settings import KafkaSettings, load_settings
from tests.process.conftest import start_system  # noqa: F401  a fixture

NAMED = "LOOKALIVE_KAFKA__BOOTSTRAP_SERVERS"
# A broker that lives for a minute spends more on compiling itself well than it ever gets back.
JVM_OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


@pytest.fixture(scope="session")
def java() -> Iterator[None]:
    """Whoever asks for it needs Java and Kafka's jars."""
    try:
        java_command()
        kafka_jars()
    except SettingsError as error:
        if os.environ.get("CI"):
            pytest.fail(f"continuous integration must run these tests: {error.message}")
        pytest.skip(f"no Apache Kafka here: {error.message}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_TOOL_OPTIONS", JVM_OPTIONS)
        yield


@pytest.fixture
def make_kafka(java: None, tmp_path: Path) -> Iterator[Callable[..., LocalKafka]]:
    """Starts brokers of the test's own; `users` may log in, where there are any."""
    made: list[LocalKafka] = []

    def make(name: str = "kafka", users: dict[str, str] | None = None) -> LocalKafka:
        made.append(LocalKafka(tmp_path / name, tmp_path / f"{name}.log", users))
        made[-1].start()
        return made[-1]

    yield make
    for kafka in made:
        kafka.stop()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[KafkaSettings]:
    """A running Kafka for tests that use topics of their own names; the one of the environment where it names one."""
    if os.environ.get(NAMED):
        yield load_settings(os.environ).kafka
        return
    request.getfixturevalue("java")
    folder = tmp_path_factory.mktemp("kafka")
    broker = LocalKafka(folder / "kafka", folder / "kafka.log")
    broker.start()
    yield KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
    broker.stop()
