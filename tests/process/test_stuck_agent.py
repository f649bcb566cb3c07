"""A worker in which something stands still ends with an error, so that it is started again; then nothing is missing."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from schemas.changes import CatalogChange
from schemas.settings import StreamSettings
from streams.endings import EXIT_CRASH
from tests.process.stream_fixtures import Bench, Picture, check_vectors, draw_pictures

ENDS_S = 60


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, partitions=2)
    images = msgspec.structs.replace(bench.settings.images, fetch_timeout_s=0.5, fetch_attempts=1)
    bench.settings = msgspec.structs.replace(bench.settings, stream=StreamSettings(stall_s=3.0), images=images)
    yield bench
    bench.close()


def load(bench: Bench, pictures: list[Picture], prefix: str) -> None:
    for n in range(40):
        refs = (pictures[n % len(pictures)].ref,)
        item_id = f"{prefix}-{n}"
        bench.send(CatalogChange(op="upsert", item_id=item_id, images=refs, attributes={"n": n}), item_id)
    bench.flush()


def test_it_ends_and_another_start_goes_on(bench: Bench, tmp_path: Path) -> None:
    pictures = draw_pictures(tmp_path, 5)
    bench.install()
    load(bench, pictures, "sku")
    bench.start("1", "tests.process.stuck_worker")
    bench.settle()
    load(bench, pictures, "stuck")
    # Its event loop answers nothing any more; it ends by itself, and says which of its agents stands still.
    assert bench.workers["1"].wait(ENDS_S) == EXIT_CRASH
    assert "the merge agent stands still: catalog.changes/" in bench.log().read_text()
    bench.settings = msgspec.structs.replace(bench.settings, stream=StreamSettings())
    bench.start("1")
    bench.settle()
    assert bench.states() == bench.oracle
    check_vectors(bench, pictures)
    assert bench.terminate() == 0
