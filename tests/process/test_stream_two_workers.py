"""Two workers share the partitions; one leaves in order and one is killed, and nothing is lost or left behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.changes import CatalogChange
from tests.process.stream_fixtures import Bench, check_vectors, draw_pictures


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def load(bench: Bench, refs: list[str], start: int) -> None:
    for n in range(start, start + 300):
        item_id = f"sku-{n % 70}"
        change = CatalogChange(op="upsert", item_id=item_id, images=(refs[n % len(refs)],), attributes={"n": n})
        bench.send(change, item_id)
    bench.flush()


def test_partitions_move_between_workers(bench: Bench, tmp_path: Path) -> None:
    pictures = draw_pictures(tmp_path, 5)
    refs = [p.ref for p in pictures]
    bench.install()
    bench.start("1")
    bench.wait_ready("1")
    load(bench, refs, 0)
    bench.start("2")
    load(bench, refs, 300)
    bench.wait_ready("2")
    load(bench, refs, 600)
    bench.settle(["1", "2"])
    assert bench.metric("lookalive_stream_changes_total", "2") > 0
    load(bench, refs, 900)
    assert bench.terminate("1") == 0
    load(bench, refs, 1200)
    bench.settle(["2"])
    bench.start("1")
    bench.wait_ready("1")
    load(bench, refs, 1500)
    bench.kill("2")
    load(bench, refs, 1800)
    bench.settle(["1"])
    assert bench.states() == bench.oracle
    check_vectors(bench, pictures)
