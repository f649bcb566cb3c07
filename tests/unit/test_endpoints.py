"""Which system a command talks to, and what it says where none runs."""

import os
from pathlib import Path

import pytest

from ops.endpoints import Endpoints, command_line, endpoints_path, kafka_of, router_of, running_where, write_endpoints
from ops.search_commands import no_answer
from schemas.errors import NotReady
from schemas.settings import RouterSettings, Settings


def running(folder: Path) -> Settings:
    """A system that this test's own process stands for."""
    pids = {"router": os.getpid()}
    write_endpoints(folder, Endpoints(kafka="127.0.0.1:1", router="http://127.0.0.1:8123", nodes={}, pids=pids))
    (folder / "lock").write_text("4711\n")
    return Settings(data_dir=str(folder))


def test_nothing_runs_says_what_to_do(tmp_path: Path) -> None:
    for ask in (kafka_of, router_of):
        with pytest.raises(NotReady, match=r"set LOOKALIVE_DATA_DIR to its data folder, or set LOOKALIVE_") as refused:
            ask(Settings(data_dir=str(tmp_path)))
        assert str(tmp_path) in refused.value.message


def test_the_running_router_unless_another_port_is_set(tmp_path: Path) -> None:
    settings = running(tmp_path)
    assert router_of(settings) == "http://127.0.0.1:8123"
    any_port = Settings(data_dir=str(tmp_path), router=RouterSettings(port=0))
    assert router_of(any_port) == "http://127.0.0.1:8123"
    other = Settings(data_dir=str(tmp_path), router=RouterSettings(port=9999))
    assert router_of(other) == "http://127.0.0.1:9999"


def test_who_runs_is_named(tmp_path: Path) -> None:
    assert running_where(tmp_path) == ""
    running(tmp_path)
    assert running_where(tmp_path) == " (http://127.0.0.1:8123, process 4711)"
    endpoints_path(tmp_path).unlink()
    assert running_where(tmp_path) == " (process 4711)"


def test_a_command_to_paste(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert command_line(Settings(), "search a.jpg") == ".venv/bin/lookalive search a.jpg"
    elsewhere = Settings(data_dir="/data")
    assert command_line(elsewhere, "search a.jpg") == "LOOKALIVE_DATA_DIR=/data .venv/bin/lookalive search a.jpg"


def test_a_router_that_does_not_answer() -> None:
    assert "still starting" in no_answer("http://127.0.0.1:8080", running=True)
    assert "start `lookalive up`" in no_answer("http://127.0.0.1:8080", running=False)
