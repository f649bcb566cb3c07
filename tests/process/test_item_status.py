"""Why is it not found? What `/status` says in every phase of an item's life."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from query_router.client import RouterClient
from schemas.errors import LookaliveError
from tests.process.conftest import RunningSystem
from tests.process.pictures import encoded, picture

WAIT: dict[str, Any] = {"wait": True, "timeout_ms": 30_000}


@pytest.fixture
def client(system: RunningSystem) -> Iterator[RouterClient]:
    with RouterClient(system.router) as client:
        yield client


def test_nobody_knows_it(client: RouterClient) -> None:
    with pytest.raises(LookaliveError) as caught:
        client.status("status-unknown")
    assert caught.value.code == "unknown_item"


def test_found_and_deleted(client: RouterClient) -> None:
    put = client.put("status-1", encoded(picture("status-1")), version=4, **WAIT)
    found = client.status("status-1")
    assert (found.phase, found.searchable, found.embedded) == ("searchable", True, True)
    assert (found.replicas, found.applied, found.found_by) == (1, 1, 1)
    assert found.newest is not None
    assert (found.newest.version, found.newest.event_time, found.newest.state) == (4, put.event_time, "live")
    assert found.searchable_at is not None
    assert found.rejected == []
    client.delete("status-1", **WAIT)
    deleted = client.status("status-1")
    assert (deleted.phase, deleted.searchable, deleted.embedded) == ("deleted", False, False)
    assert deleted.newest is not None
    assert deleted.newest.state == "deleted"


def test_refused_by_other_producers(system: RunningSystem, client: RouterClient, tmp_path: Path) -> None:
    system.send({"op": "upsert", "item_id": "status-2", "attributes": []})
    system.flush()
    system.eventually(lambda: _phase(client, "status-2"), "rejected")
    never = client.status("status-2")
    assert "no change of it could be taken" in never.explanation
    assert [r.reason for r in never.rejected] == ["bad_schema"]
    client.put("status-2", encoded(picture("status-2")), **WAIT)
    assert client.status("status-2").phase == "searchable"
    system.send({"op": "upsert", "item_id": "status-2", "version": "x"})
    system.flush()
    system.eventually(lambda: "a later change of it was refused" in client.status("status-2").explanation, True)


def test_waiting_in_every_stage(start_system: Callable[..., RunningSystem]) -> None:
    system = start_system()
    stream = system.endpoints["pids"]["stream/1"]
    with RouterClient(system.router) as client:
        os.kill(stream, signal.SIGSTOP)
        try:
            answer = client.put("stuck", encoded(picture("stuck")), wait=True, timeout_ms=300)
            assert answer.searchable is False
            status = client.status("stuck")
            assert (status.phase, status.searchable, status.accepted) == ("accepted", False, answer.event_time)
            assert "waits to be merged" in status.explanation
        finally:
            os.kill(stream, signal.SIGCONT)
        system.eventually(lambda: _phase(client, "stuck"), "searchable")
        for node in [pid for role, pid in system.endpoints["pids"].items() if role.startswith("node/")]:
            os.kill(node, signal.SIGKILL)
        with pytest.raises(LookaliveError) as caught:
            client.status("stuck")
        assert caught.value.code == "not_ready"
        system.eventually(lambda: _phase(client, "stuck"), "searchable")
        assert json.loads(bytes(client.item("stuck").attributes)) == {}


def _phase(client: RouterClient, item_id: str) -> str | None:
    try:
        return client.status(item_id).phase
    except LookaliveError:
        return None
