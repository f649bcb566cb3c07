"""Pictures inside changes are stored side by side; what comes after them is merged after them, a kill included."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from embedder.fetch import decode_data_url
from embedder.image_store import ImageStore
from ops.bench.stream_changes import png_url
from schemas.changes import CatalogChange
from schemas.settings import MIB
from schemas.topics import partition_of
from tests.process.stream_fixtures import Bench

ITEMS, ROUNDS = 30, 6


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def send(bench: Bench, change: CatalogChange) -> None:
    bench.send(change, change.item_id, partition=partition_of(change.item_id, bench.kafka.partitions))


def test_order_is_kept(bench: Bench) -> None:
    bench.install()
    for number in range(ROUNDS):
        for item in range(ITEMS):
            item_id = f"sku-{item}"
            url = png_url(1, number * ITEMS + item)
            attributes = {"round": number, "price": 1}
            send(bench, CatalogChange(op="upsert", item_id=item_id, images=(url,), attributes=attributes))
            send(bench, CatalogChange(op="patch", item_id=item_id, attributes={"price": number}))
            if item % 5 == 0:
                send(bench, CatalogChange(op="delete", item_id=item_id))
    bench.flush()
    bench.start()
    bench.until(lambda: len(bench.states()) > ITEMS // 2, 60)
    bench.kill()
    bench.start()
    bench.settle()
    states, store = bench.states(), ImageStore(bench.settings.image_store_path)
    assert set(states) == {f"sku-{item}" for item in range(ITEMS)}
    for item in range(ITEMS):
        state, expected = states[f"sku-{item}"], bench.oracle[f"sku-{item}"]
        assert state.live is (item % 5 != 0)
        assert state.values() == expected.values()
        assert (state.deleted, state.upserted, state.origins) == (expected.deleted, expected.upserted, expected.origins)
        assert (state.image is None) == (item % 5 == 0)
        if state.image is not None:
            assert all(ref.startswith("store:") for ref in state.image.refs)
            assert expected.image is not None
            sent = [decode_data_url(url, MIB) for url in expected.image.refs]
            assert [store.read(ref) for ref in state.image.refs] == sent
    assert bench.rejects() == []
    live = {f"sku-{item}" for item in range(ITEMS) if item % 5}
    assert {item_id for item_id, record in bench.vectors().items() if not record.is_delete} == live
