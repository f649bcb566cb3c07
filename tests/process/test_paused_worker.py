"""A worker that is paused loses its partitions, wakes up in the middle of its work, and gets them back later: all items
are as their changes say, in the log's last record as anywhere.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.changes import CatalogChange
from schemas.item_state import decode_state
from schemas.topics import STATES
from schemas.vector_record import decode_vector_record
from tests.process.log_copies import last_records
from tests.process.stream_fixtures import VECTORS, Bench, check_vectors, draw_pictures

HEAL_S, ITEMS = 60.0, 60


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, partitions=4, shards=1)
    yield bench
    bench.close()


def load(bench: Bench, refs: list[str], turn: int) -> None:
    """Every item gets a picture and two attributes; what earlier turns gave it stays."""
    for n in range(ITEMS):
        item_id, image = f"sku-{n}", refs[(n + turn) % len(refs)]
        bench.send(CatalogChange(op="patch", item_id=item_id, attributes={f"before-{turn}": n}), item_id)
        bench.send(CatalogChange(op="upsert", item_id=item_id, images=(image,)), item_id)
        bench.send(CatalogChange(op="patch", item_id=item_id, attributes={f"after-{turn}": n}), item_id)
    bench.flush()


def last_is_right(bench: Bench) -> bool:
    states, vectors = last_records(bench, STATES), last_records(bench, VECTORS)
    found = {item: decode_state(raw.value) for item, raw in states.items() if raw.value}
    shown = {item: decode_vector_record(raw.value).image_at for item, raw in vectors.items() if raw.value}
    return found == bench.oracle and shown == {i: s.image.at for i, s in bench.oracle.items() if s.image is not None}


def test_a_worker_wakes_up_when_its_partitions_are_another_s(bench: Bench, tmp_path: Path) -> None:
    pictures = draw_pictures(tmp_path, 5)
    refs = [picture.ref for picture in pictures]
    bench.install()
    bench.start("1")
    bench.wait_ready("1")
    load(bench, refs, 0)
    # Paused in the middle: some of its writes may be on their way, some changes in its hands.
    bench.workers["1"].send_signal(signal.SIGSTOP)
    load(bench, refs, 1)
    bench.start("2")
    bench.wait_ready("2")  # which it is once the session of the other has ended
    bench.settle(["2"])
    bench.workers["1"].send_signal(signal.SIGCONT)
    load(bench, refs, 2)
    bench.wait_ready("1")
    bench.settle(["1", "2"])
    bench.until(lambda: last_is_right(bench), HEAL_S, ["1", "2"])
    bench.kill("2")
    load(bench, refs, 3)
    bench.settle(["1"])
    bench.until(lambda: last_is_right(bench), HEAL_S, ["1"])
    check_vectors(bench, pictures)
