"""A writer that was paused writes an item's older records behind its newer ones: the owner writes the newest again, so
that a node which has nothing but the compacted log finds the right item.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from schemas.changes import CatalogChange
from schemas.forgetting import forgotten_header
from schemas.item_state import decode_state
from schemas.kafka_clients import make_producer
from schemas.queries import unpack_vector
from schemas.topics import STATES
from schemas.vector_record import decode_vector_record
from tests.process.log_copies import BenchNode, copy_compacted, last_records, produce
from tests.process.stream_fixtures import VECTORS, Bench, Picture, Raw, draw_pictures

PARTITIONS, SHARDS, HEAL_S = 2, 1, 40.0
ITEMS = ("shirt", "shoe", "hat")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, partitions=PARTITIONS, shards=SHARDS)
    yield bench
    bench.close()


def upsert(item_id: str, picture: Picture, price: int, version: int) -> CatalogChange:
    return CatalogChange(
        op="upsert", item_id=item_id, images=(picture.ref,), attributes={"price": price}, version=version
    )


def send_all(bench: Bench, pictures: list[Picture], version: int) -> dict[str, Picture]:
    """A new picture and price for every item."""
    shown = {item: pictures[(n + version) % len(pictures)] for n, item in enumerate(ITEMS)}
    for item, picture in shown.items():
        bench.send(upsert(item, picture, 10 * version, version), item)
    bench.flush()
    return shown


def write_again(bench: Bench, older: dict[str, dict[str, Raw]]) -> None:
    """These records, from outside."""
    producer = make_producer(bench.kafka)
    for topic, records in older.items():
        for raw in records.values():
            produce(producer, topic, raw)
    assert producer.flush(30) == 0


def newest_is_last(bench: Bench) -> bool:
    """Whether what compaction would leave is the newest of every item."""
    states, vectors = last_records(bench, STATES), last_records(bench, VECTORS)
    if not all(states[item].value and vectors[item].value for item in ITEMS):
        return False
    found = {item: decode_state(states[item].value) for item in ITEMS}
    pictures = {item: decode_vector_record(vectors[item].value).image_at for item in ITEMS}
    wanted = {item: state.image.at for item, state in bench.oracle.items() if state.image is not None}
    return found == {item: bench.oracle[item] for item in ITEMS} and pictures == wanted


def check_node(source: Bench, folder: Path, shown: dict[str, Picture], price: int) -> None:
    """A node on an empty disk that replays only the compacted log has the right items."""
    folder.mkdir()
    bench = Bench(folder, partitions=PARTITIONS, shards=SHARDS)
    try:
        bench.install()
        copy_compacted(source, bench)
        node = BenchNode(bench)
        try:
            for item, picture in shown.items():
                stored = node.item(item)
                assert stored is not None
                assert stored.attributes == b'{"price":%d}' % price
                np.testing.assert_allclose(unpack_vector(stored.vectors[0]), picture.vector, atol=2e-3)
        finally:
            node.stop()
    finally:
        bench.close()


def test_the_owner_writes_the_newest_again(bench: Bench, tmp_path: Path) -> None:
    pictures = draw_pictures(tmp_path, 5)
    bench.install()
    bench.start()
    bench.wait_ready()
    send_all(bench, pictures, 1)
    bench.settle()
    older = {topic: last_records(bench, topic) for topic in (STATES, VECTORS)}
    shown = send_all(bench, pictures, 2)
    bench.settle()
    assert newest_is_last(bench)

    # Of one item what it writes is the word that it was forgotten.
    at = decode_state(older[STATES]["hat"].value).stamps()[0]
    null = {t: of | {"hat": of["hat"]._replace(value=b"", headers=[forgotten_header(at)])} for t, of in older.items()}
    write_again(bench, null)
    assert not newest_is_last(bench)
    bench.until(lambda: newest_is_last(bench), HEAL_S)
    assert bench.metric("lookalive_stream_mended_total", topic=STATES) == len(ITEMS)
    assert bench.metric("lookalive_stream_mended_total", topic=VECTORS) == len(ITEMS)

    # Nobody is there to notice at once: whoever comes next does.
    bench.kill()
    write_again(bench, older)
    bench.start()
    bench.wait_ready()
    bench.until(lambda: newest_is_last(bench), HEAL_S)
    check_node(bench, tmp_path / "empty", shown, price=20)
