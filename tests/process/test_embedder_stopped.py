"""While the embedder stands still, patches and deletes are seen by searches as ever; pictures wait for it."""

import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from schemas.changes import CatalogChange
from schemas.kafka_clients import committed_offsets
from schemas.settings import StreamSettings
from schemas.topics import CHANGES, MERGE_GROUP, STATES, embed_group
from tests.process.log_copies import BenchNode
from tests.process.stream_fixtures import GENERATION, Bench, draw_pictures

ITEMS, SEEN_S = 40, 60.0
EMBEDDER, MERGER = "embedder", "merger"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, partitions=2, shards=1)
    yield bench
    bench.close()


def embedded(bench: Bench) -> int:
    """How many states the embedder is done with."""
    return sum(committed_offsets(bench.kafka, embed_group(GENERATION), STATES, range(2)).values())


def send(bench: Bench, op: str, item: int, **parts: object) -> None:
    bench.send(CatalogChange(op=op, item_id=f"sku-{item}", **parts), f"sku-{item}")  # type: ignore[arg-type]


def test_attributes_and_deletes_wait_for_no_picture(bench: Bench, tmp_path: Path) -> None:
    pictures = draw_pictures(tmp_path, 3)
    bench.install()
    for worker, agent in ((MERGER, "merge"), (EMBEDDER, "embed")):
        bench.settings = msgspec.structs.replace(bench.settings, stream=StreamSettings(agents=(agent,)))
        bench.start(worker)
    bench.wait_ready(MERGER)
    bench.wait_ready(EMBEDDER)
    for item in range(ITEMS):
        send(bench, "upsert", item, images=(pictures[item % 2].ref,), attributes={"price": item})
    bench.flush()
    bench.settle([MERGER, EMBEDDER])
    node = BenchNode(bench)
    try:
        everything = {f"sku-{item}" for item in range(ITEMS)}
        bench.until(lambda: node.found(pictures[0].vector) == everything, SEEN_S, [MERGER])

        bench.workers[EMBEDDER].send_signal(signal.SIGSTOP)
        done = embedded(bench)
        for item in range(ITEMS):
            # Pictures first, in the same partitions: what comes behind them does not wait.
            send(bench, "upsert", item, images=(pictures[2].ref,))
        for item in range(0, ITEMS, 2):
            send(bench, "patch", item, attributes={"price": 1000 + item, "sale": True})
        for item in range(1, ITEMS, 2):
            send(bench, "delete", item)
        bench.flush()
        on_sale = {f"sku-{item}" for item in range(0, ITEMS, 2)}
        bench.until(lambda: node.found(pictures[0].vector, {"sale": True}) == on_sale, SEEN_S, [MERGER])
        bench.until(lambda: node.found(pictures[0].vector) == on_sale, SEEN_S, [MERGER])
        assert node.found(pictures[0].vector, {"price": {"lt": 1000}}) == set()
        # All of it is merged, nothing of it embedded.
        bench.until(lambda: committed(bench) == ends(bench), SEEN_S, [MERGER])
        assert embedded(bench) == done
        stored = node.item("sku-0")
        assert stored is not None
        assert stored.attributes == b'{"price":1000,"sale":true}'

        bench.workers[EMBEDDER].send_signal(signal.SIGCONT)
        bench.settle([MERGER, EMBEDDER])
        assert bench.vectors()["sku-0"].fingerprints == (pictures[2].fingerprint,)
    finally:
        node.stop()


def committed(bench: Bench) -> dict[int, int]:
    return committed_offsets(bench.kafka, MERGE_GROUP, CHANGES, range(2))


def ends(bench: Bench) -> dict[int, int]:
    return {partition: end for partition, (_, end) in bench.ends(CHANGES).items()}
