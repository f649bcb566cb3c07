"""Work that waits for Kafka: ended with the system it needs, told of while no broker answers."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from ops.endpoints import Endpoints, endpoints_path, write_endpoints
from ops.watched_work import KafkaWatch, run_watched
from schemas.errors import InputError, NotReady
from schemas.settings import KafkaSettings, Settings


@pytest.fixture
def broker() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def address_of(broker: socket.socket) -> str:
    return f"127.0.0.1:{broker.getsockname()[1]}"


def test_result_and_failure_of_the_work_come_through() -> None:
    assert run_watched(lambda: 5, lambda: None) == 5
    assert run_watched(lambda: None, lambda: None) is None

    def fail() -> None:
        raise InputError("no")

    with pytest.raises(InputError, match="no"):
        run_watched(fail, lambda: None)


def test_work_that_never_returns_ends_with_the_look() -> None:
    hang = threading.Event()

    def look() -> None:
        raise NotReady("it ended")

    with pytest.raises(NotReady, match="it ended"):
        run_watched(hang.wait, look)
    hang.set()


def test_the_end_of_the_running_system_is_seen(tmp_path: Path) -> None:
    kafka = KafkaSettings(bootstrap_servers="127.0.0.1:1")
    endpoints = Endpoints(kafka="127.0.0.1:1", router="http://x", nodes={}, pids={"router": os.getpid()})
    write_endpoints(tmp_path, endpoints)
    watch = KafkaWatch(Settings(data_dir=str(tmp_path)), kafka, lambda line: None)
    watch.look()
    write_endpoints(tmp_path, msgspec.structs.replace(endpoints, kafka="127.0.0.1:2"))
    with pytest.raises(NotReady, match="ended meanwhile"):
        watch.look()
    endpoints_path(tmp_path).unlink()
    with pytest.raises(NotReady, match="ended meanwhile"):
        watch.look()


def test_a_silent_kafka_is_told_of_once(broker: socket.socket) -> None:
    kafka = KafkaSettings(bootstrap_servers=address_of(broker))
    now, said = [0.0], list[str]()
    watch = KafkaWatch(Settings(kafka=kafka), kafka, said.append, lambda: now[0])

    def look_until(end_s: float) -> None:
        while now[0] < end_s:
            now[0] += 1
            watch.look()

    look_until(20)
    assert said == []
    broker.close()
    look_until(40)
    assert len(said) == 1
    assert "does not answer" in said[0]
