"""A deleted item is a marker for as long as deletes are kept, then a null, and then nothing anywhere; what was raised
again in time stays.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from schemas.changes import CatalogChange
from schemas.forgetting import forgotten_as_of
from schemas.item_state import decode_state
from schemas.settings import IndexSettings
from schemas.topics import STATES
from schemas.vector_record import decode_vector_record
from tests.process.log_copies import BenchNode, last_records
from tests.process.stream_fixtures import VECTORS, Bench, draw_pictures

RETENTION_S, HEAL_S = 2.0, 40.0
GONE = [f"gone-{n}" for n in range(150)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, partitions=2, shards=1)
    index = IndexSettings(delete_retention_s=RETENTION_S)
    bench.settings = msgspec.structs.replace(bench.settings, index=index)
    yield bench
    bench.close()


def nulls(bench: Bench, topic: str) -> set[str]:
    """The items of which the log's last record is a null that says as of when."""
    last = last_records(bench, topic)
    return {item for item, raw in last.items() if not raw.value and forgotten_as_of(raw.headers) is not None}


def test_markers_become_nulls_and_nothing_is_left(bench: Bench, tmp_path: Path) -> None:
    (picture,) = draw_pictures(tmp_path, 1)
    bench.install()
    bench.start()
    bench.wait_ready()
    for item in [*GONE, "raised", "kept"]:
        bench.send(CatalogChange(op="upsert", item_id=item, images=(picture.ref,), version=1), item)
    for item in [*GONE, "raised"]:
        bench.send(CatalogChange(op="delete", item_id=item, version=5), item)
    bench.send(CatalogChange(op="patch", item_id=GONE[0], attributes={"price": 1}, version=7), GONE[0])
    bench.send(CatalogChange(op="upsert", item_id="raised", images=(picture.ref,), version=6), "raised")
    bench.flush()
    bench.until(lambda: nulls(bench, VECTORS) == set(GONE), HEAL_S)
    assert nulls(bench, STATES) == set(GONE)

    # Each was a marker before, in states as in vectors, and for as long as was asked.
    states = [raw for raw in bench.read(STATES) if raw.key == GONE[1].encode()]
    assert [decode_state(raw.value).live if raw.value else None for raw in states][-2:] == [False, None]
    vectors = [raw for raw in bench.read(VECTORS) if raw.key == GONE[1].encode()]
    assert decode_vector_record(vectors[-2].value).is_delete
    marker, null = (raw.time_ms for raw in states[-2:])
    assert null - marker >= RETENTION_S * 1000
    assert bench.metric("lookalive_stream_forgotten_total", topic=STATES) == len(GONE)

    node = BenchNode(bench)
    try:
        assert [node.trace(item).state for item in GONE[:3]] == [None] * 3
        assert node.item("raised") is not None
        assert node.item("kept") is not None
        # What is forgotten can be written anew, and is known from nowhere.
        bench.send(CatalogChange(op="upsert", item_id=GONE[0], images=(picture.ref,), version=8), GONE[0])
        bench.flush()
        bench.until(lambda: node.item(GONE[0]) is not None, HEAL_S)
        stored = node.item(GONE[0])
        assert stored is not None
        assert stored.attributes == b"{}"
        bench.send(CatalogChange(op="patch", item_id=GONE[1], attributes={"price": 1}), GONE[1])
        bench.flush()
        bench.settle()
        state = decode_state(last_records(bench, STATES)[GONE[1]].value)
        assert state.version == 0
        assert state.deleted is None
        assert node.item(GONE[1]) is None
    finally:
        node.stop()
