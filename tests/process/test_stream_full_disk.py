"""A stream worker whose disk is full says so and acknowledges nothing; with room again it goes on with nothing lost."""

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from ops.bench.stream_changes import png_url
from ops.ports import port_of, reserve_port
from schemas.changes import CatalogChange, encode_change
from schemas.settings import StreamSettings
from schemas.topics import CHANGES
from tests.conftest import SmallDisk
from tests.process.stream_fixtures import Bench, Picture, check_vectors, draw_pictures

MIB = 1024 * 1024
ITEMS, STORED = 80, 12


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, partitions=3)
    yield bench
    bench.close()


@pytest.fixture
def port() -> Iterator[int]:
    with reserve_port("127.0.0.1") as reserved:
        yield port_of(reserved)


def load(bench: Bench, pictures: list[Picture], start: int) -> None:
    for n in range(start, start + ITEMS):
        item_id, refs = f"sku-{n}", (pictures[n % len(pictures)].ref,)
        bench.send(CatalogChange(op="upsert", item_id=item_id, images=refs, attributes={"text": "x" * 2000}), item_id)
        bench.send(CatalogChange(op="patch", item_id=f"sku-{n // 2}", attributes={"n": n}), f"sku-{n // 2}")
    bench.flush()


def said_at(port: int) -> str:
    """What the worker's /readyz says; nothing while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10):
            return ""
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()
    except OSError:
        return ""


def test_it_holds_says_why_and_goes_on(
    bench: Bench, tmp_path: Path, small_disk: Callable[[int], SmallDisk], port: int
) -> None:
    disk = small_disk(64 * MIB)
    bench.settings = msgspec.structs.replace(bench.settings, data_dir=str(disk.folder))
    pictures = draw_pictures(tmp_path, 5)
    bench.install()
    # It starts, and says why it goes no further, where not even its address can be written.
    bench.settings = msgspec.structs.replace(bench.settings, stream=StreamSettings(metrics_port=port))
    disk.fill()
    bench.start()
    bench.until(lambda: "No space left on device" in said_at(port), 60)
    disk.empty()
    bench.wait_ready()
    load(bench, pictures, 0)
    bench.settle()

    disk.fill()
    stored = {f"stored-{n}": png_url(1, n) for n in range(STORED)}
    load(bench, pictures, ITEMS)
    for item_id, url in stored.items():
        change = CatalogChange(op="upsert", item_id=item_id, images=(url,), attributes={})
        bench.producer.produce(CHANGES, encode_change(change), item_id)
    bench.flush()
    bench.until(lambda: "cannot be written" in bench.get("/readyz")[1], 60)
    status, body = bench.get("/readyz")
    assert status == 503
    assert f"to {disk.folder}" in body
    assert "0.0 of 64.0 MiB are free" in body
    assert not bench.settled()

    disk.empty()
    bench.wait_ready()
    bench.settle()
    states = bench.states()
    assert {item_id: state for item_id, state in states.items() if item_id not in stored} == bench.oracle
    check_vectors(bench, pictures)
    vectors = bench.vectors()
    for item_id in stored:
        image = states[item_id].image
        assert image is not None
        assert image.refs[0].startswith("store:")
        assert not vectors[item_id].is_delete
    assert bench.rejects() == []
    assert bench.terminate() == 0
