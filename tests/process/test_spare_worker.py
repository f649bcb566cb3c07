"""More workers than partitions: the spare one says that it has none, and takes over when the other is killed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.changes import CatalogChange
from tests.process.stream_fixtures import Bench

WORKERS = ("1", "2")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, partitions=1, shards=1)
    yield bench
    bench.close()


def send(bench: Bench, names: list[str]) -> None:
    for name in names:
        bench.send(CatalogChange(op="patch", item_id=name, attributes={"n": 1}), name)
    bench.flush()


def notes(bench: Bench, worker: str) -> dict[str, str]:
    """What a ready worker says of itself."""
    status, body = bench.get("/readyz", worker)
    found: dict[str, str] = json.loads(body).get("notes", {}) if status == 200 else {}
    return found


def test_it_says_so_and_takes_over(bench: Bench) -> None:
    bench.install()
    bench.start("1")
    bench.wait_ready("1")
    bench.start("2")
    # Each agent's group gives its one partition to either worker.
    bench.until(lambda: sorted([*notes(bench, "1"), *notes(bench, "2")]) == ["embed", "merge"], 60, WORKERS)
    owner, spare = ("1", "2") if "merge" in notes(bench, "2") else ("2", "1")
    assert notes(bench, spare)["merge"].startswith("no partitions: other workers have all of catalog.changes")
    bench.until(lambda: bench.get("/readyz", owner)[0] == 200, 60, WORKERS)
    assert bench.metric("lookalive_stream_partitions", spare, agent="merge") == 0
    assert bench.metric("lookalive_stream_partitions", owner, agent="merge") == 1
    send(bench, ["a", "b"])
    bench.settle(WORKERS)
    bench.kill(owner)
    send(bench, ["c"])
    bench.settle([spare])
    bench.wait_ready(spare)
    assert notes(bench, spare) == {}
    assert bench.metric("lookalive_stream_partitions", spare) == 2
    assert bench.states() == bench.oracle
