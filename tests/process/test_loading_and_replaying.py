"""Loads that go on after a kill, pruning, replays, Debezium's events, examples and the doctor, on a running system."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from schemas.kafka_clients import end_offsets, make_reader
from schemas.settings import KafkaSettings
from tests.process.conftest import RunningSystem
from tests.process.pictures import data_url, encoded, picture

EXAMPLES = Path(__file__).parents[2] / "ops" / "examples"


@pytest.fixture
def mapped(start_system: Callable[..., RunningSystem]) -> RunningSystem:
    return start_system(
        LOOKALIVE_DEBEZIUM__ITEM_ID="sku",
        LOOKALIVE_DEBEZIUM__IMAGES="photo",
        LOOKALIVE_DEBEZIUM__VERSION="source.lsn",
        LOOKALIVE_NODE__COUNT="1",
    )


def states(system: RunningSystem) -> dict[bytes, bytes]:
    """Every item's last state, byte for byte."""
    kafka = KafkaSettings(bootstrap_servers=system.endpoints["kafka"], embedded=True)
    reader = make_reader(kafka)
    found: dict[bytes, bytes] = {}
    for partition, (low, high) in end_offsets(reader, "items.state", range(12)).items():
        reader.assign([TopicPartition("items.state", partition, low)])
        position = low
        while position < high:
            message = reader.poll(10)
            assert message is not None
            assert message.error() is None
            found[message.key() or b""] = message.value() or b""  # type: ignore[index, assignment]
            position = (message.offset() or 0) + 1
    reader.close()
    return found


def shop(folder: Path, count: int, broken: bool = False) -> Path:
    """A table of items that all have one picture."""
    (folder / "p.png").write_bytes(encoded(picture(1), "PNG"))
    rows = [f"load-{n},p.png,{n}" for n in range(count)] + ([",p.png,0"] if broken else [])
    path = folder / "shop.csv"
    path.write_text("SKU,photo,price\n" + "\n".join(rows) + "\n")
    return path


COLUMNS = ("--column", "item_id=SKU", "--column", "image=photo")


def test_a_load_that_is_killed_goes_on_and_prunes(system: RunningSystem, tmp_path: Path) -> None:
    table = shop(tmp_path, 60)
    command = [sys.executable, "-m", "ops.cli", "catalog", "load", str(table), *COLUMNS]
    loads = system.data_dir / "loads"
    of_others = set(loads.glob("*.json"))
    cut = subprocess.Popen([*command, "--rate", "12"], env=system.environ, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (ours := set(loads.glob("*.json")) - of_others) and time.monotonic() < deadline:
        time.sleep(0.05)
    cut.send_signal(signal.SIGKILL)
    cut.wait()
    noted = json.loads(ours.pop().read_text())
    assert 0 < noted["row"] < 60
    summary = system.lookalive("catalog", "load", str(table), *COLUMNS, "--wait")
    assert summary["resumed_at"] == noted["row"]
    assert summary["sent"] == 60 - noted["row"]
    names = [f"load-{n}" for n in range(60)]
    assert sorted(system.found(names)) == sorted(names)
    again = system.lookalive("catalog", "load", str(table), *COLUMNS, "--dry-run")
    assert (again["sent"], again["resumed_at"]) == (60, 0)

    table = shop(tmp_path, 50)
    prune = ("catalog", "load", str(table), *COLUMNS, "--prune", "--prune-scope", "id:load-")
    assert system.lookalive(*prune, "--dry-run")["pruned"] == 10
    assert len(system.found(names)) == 60
    assert system.lookalive(*prune, "--yes", "--wait")["pruned"] == 10
    assert sorted(system.found(names)) == sorted(names[:50])


def test_bad_rows_are_listed_and_not_fatal_unless_strict(system: RunningSystem, tmp_path: Path) -> None:
    table = str(shop(tmp_path, 2, broken=True))
    summary = system.lookalive("catalog", "load", table, *COLUMNS, "--dry-run")
    assert (summary["sent"], summary["bad"]) == (2, ["row 3 (line 4): `item_id` is empty"])
    strict = (("--strict",), "row 3 (line 4): `item_id` is empty")
    for flags, said in (strict, (("--prune", "--yes"), "nothing was deleted")):
        command = [sys.executable, "-m", "ops.cli", "catalog", "load", table, *COLUMNS, *flags, "--dry-run"]
        done = subprocess.run(command, env=system.environ, capture_output=True, timeout=60, check=False)
        assert (done.returncode, said in done.stderr.decode()) == (1, True), done.stderr


def test_debezium_replays_and_examples(mapped: RunningSystem, tmp_path: Path) -> None:
    system = mapped
    photo = data_url(picture(5))

    def event(op: str, lsn: int, before: Any, after: Any) -> bytes:
        return json.dumps({"op": op, "before": before, "after": after, "source": {"lsn": lsn}}).encode()

    row = {"id": 1, "sku": "d-1", "photo": photo, "price": 5}
    key = b'{"sku":"d-1"}'
    system.send(event("c", 10, None, row), key)
    system.send(event("u", 12, row, row | {"price": 4}), key)
    system.send(event("u", 11, row, row | {"price": 9}), key)
    for number in (2, 3):
        other = row | {"id": number, "sku": f"d-{number}"}
        system.send(json.dumps({"schema": None, "payload": json.loads(event("r", 20, None, other))}).encode(), b"{}")
    system.send(event("d", 21, row | {"sku": "d-2"}, None), b'{"sku":"d-2"}')
    system.send(None, b'{"sku":"d-2"}')
    system.send(event("t", 22, None, None), key)
    system.flush()
    found = {"d-1": (12, {"id": 1, "price": 4}), "d-3": (20, {"id": 3, "price": 5})}
    system.eventually(lambda: system.found(["d-1", "d-2", "d-3"]), found)
    system.eventually(lambda: [r["reason"] for r in system.lookalive("catalog", "rejects")], ["bad_schema"])

    missing = tmp_path / "late.png"
    system.send({"op": "upsert", "item_id": "late", "image_url": missing.as_uri(), "attributes": {"a": 1}})
    system.flush()
    system.eventually(lambda: len(system.lookalive("catalog", "rejects", "--reason", "image_unreachable")), 1)
    missing.write_bytes(encoded(picture(6), "PNG"))
    arguments = ("catalog", "replay", "--reason", "image_unreachable")
    assert system.lookalive(*arguments, "--dry-run")["sent"] == 1
    assert system.item("late") is None
    summary = system.lookalive(*arguments, "--item", "late", "--wait")
    assert (summary["sent"], summary["refused_again"]) == (1, 0)
    assert system.found(["late"]) == {"late": (0, {"a": 1})}

    examples(system, tmp_path)

    before = states(system)
    summary = system.lookalive("catalog", "replay", "--changes", "--wait")
    assert summary["sent"] >= 10
    assert states(system) == before
    assert system.lookalive("catalog", "replay", "--from-offset", "1000000", "--dry-run")["sent"] == 0
    refused = system.lookalive("catalog", "replay", "--wait")
    assert (refused["sent"], refused["by_reason"]["bad_schema"]) == (2, 1)
    assert {k: v for k, v in states(system).items() if k != b"late"} == {
        k: v for k, v in before.items() if k != b"late"
    }

    findings = system.lookalive("doctor")
    assert {f["level"] for f in findings} <= {"ok", "warning"}
    assert {"kafka", "topics", "clocks", "router", "node n1", "model"} <= {f["check"] for f in findings}


def examples(system: RunningSystem, folder: Path) -> None:
    """What the examples send is found; kcat's part is run where kcat is installed (apt install kcat)."""
    broker, image = system.endpoints["kafka"], (folder / "late.png").as_uri()
    lines = [
        {"op": "upsert", "item_id": "py-1", "image_url": image, "attributes": {"price": 1}},
        {"op": "patch", "item_id": "py-1", "attributes": {"price": 2}},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    command = [sys.executable, str(EXAMPLES / "send_changes.py"), broker]
    assert subprocess.run(command, input=text.encode(), timeout=60, check=False).returncode == 0
    expected: dict[str, Any] = {"py-1": (0, {"price": 2})}
    if shutil.which("kcat") is not None:
        environ = os.environ | {"IMAGE_URL": image}
        shell = ["sh", str(EXAMPLES / "send_changes.sh"), broker]
        assert subprocess.run(shell, env=environ, timeout=60, check=False).returncode == 0
        expected["sku-1"] = (0, {"price": 49.9, "in_stock": False})
    system.eventually(lambda: system.found(["py-1", "sku-1"]), expected)
