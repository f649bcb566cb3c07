"""When a worker must not run: changes the broker dropped, another model, another partition count, no broker."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.cluster import Installation
from schemas.cluster_log import publish
from schemas.topics import CHANGES
from tests.process.stream_fixtures import Bench

EXIT_GAP, EXIT_CONFIG, EXIT_S = 65, 78, 60


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, partitions=1, shards=1)
    yield bench
    bench.close()


def exit_status(bench: Bench) -> int:
    return bench.workers["1"].wait(EXIT_S)


def test_changes_the_broker_dropped_are_said_not_skipped(bench: Bench) -> None:
    bench.install()
    while bench.ends(CHANGES)[0][0] == 0:
        for _ in range(20):
            bench.send(os.urandom(100_000), "sku")
        bench.flush()
    bench.start()
    assert exit_status(bench) == EXIT_GAP
    assert "catalog.changes/0: offsets 0 to" in bench.log().read_text()
    assert bench.settled() is False


def test_another_model_than_the_generations_is_refused(bench: Bench) -> None:
    bench.install(fingerprint="0" * 16)
    bench.start()
    assert exit_status(bench) == EXIT_CONFIG
    assert "generation g1 was made with" in bench.log().read_text()


def test_another_partition_count_than_the_installations_is_refused(bench: Bench) -> None:
    publish(bench.kafka, Installation(partitions=7, log_id="log"))
    bench.start()
    assert exit_status(bench) == EXIT_CONFIG
    assert "has 1 partitions, this installation has 7" in bench.log().read_text()


def test_it_waits_for_the_installation_and_says_so(bench: Bench) -> None:
    bench.start()
    bench.until(lambda: "waiting for the installation" in bench.get("/readyz")[1], 30)
    bench.install()
    bench.wait_ready()
    assert bench.terminate() == 0


def test_it_ends_when_told_to_though_the_broker_is_gone(bench: Bench) -> None:
    bench.install()
    bench.start()
    bench.wait_ready()
    bench.send(b'{"op":"patch","item_id":"a","attributes":{}}', "a")
    bench.flush()
    bench.broker.stop()
    assert bench.terminate() == 0
