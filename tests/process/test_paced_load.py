"""Live changes while a large load runs: they do not wait for it to end."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from query_router.client import RouterClient
from tests.process.conftest import RunningSystem
from tests.process.pictures import encoded, picture

ROWS, UNDER_WAY_ROWS = 150_000, 1_000
WAIT_MS = 60_000


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "p.png").write_bytes(encoded(picture("of-a-large-load"), "PNG"))
    path = tmp_path / "large.csv"
    path.write_text("id,image,price\n" + "".join(f"large-{n},p.png,{n}\n" for n in range(ROWS)))
    return path


def test_a_live_change_is_searchable_long_before_a_load_is_through(system: RunningSystem, table: Path) -> None:
    loads = system.data_dir / "loads"
    of_others = set(loads.glob("*.json"))
    command = [sys.executable, "-m", "ops.cli", "catalog", "load", str(table)]
    load = subprocess.Popen(command, env=system.environ, stderr=subprocess.PIPE, stdout=subprocess.PIPE)

    def noted() -> dict[str, Any]:
        found = set(loads.glob("*.json")) - of_others
        return json.loads(found.pop().read_text()) if found else {"row": 0, "done": False}

    try:
        deadline = time.monotonic() + 60
        while noted()["row"] < UNDER_WAY_ROWS and time.monotonic() < deadline:
            time.sleep(0.05)
        assert noted()["row"] >= UNDER_WAY_ROWS
        with RouterClient(system.router) as client:
            live = encoded(picture("live-beside-a-load"))
            assert client.put("live-beside", live, wait=True, timeout_ms=WAIT_MS).searchable is True
            assert client.patch("live-beside", attributes={"price": 9}, wait=True, timeout_ms=WAIT_MS).applied is True
            (hit,) = client.search_picture(live, k=1).items
            assert hit.item_id == "live-beside"
        assert (load.poll(), noted()["done"]) == (None, False)
    finally:
        load.terminate()
        load.communicate(timeout=30)
