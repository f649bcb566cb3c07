"""A plain producer's changes become item states, vectors and rejects; and the worker says how it is."""

import base64
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.changes import CatalogChange
from schemas.item_state import ItemState
from schemas.topics import STATES
from tests.process.stream_fixtures import Bench, Picture, check_vectors, draw_pictures


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def some_change(rng: random.Random, item_id: str, pictures: list[Picture]) -> CatalogChange | None:
    """Any kind of change; None is a null value."""
    version = rng.choice([None, None, None, rng.randrange(20)])
    match rng.randrange(10):
        case 0:
            return CatalogChange(op="delete", item_id=item_id, version=version)
        case 1:
            return None
        case 2 | 3 | 4:
            return CatalogChange(op="patch", item_id=item_id, attributes={"price": rng.random()}, version=version)
        case _:
            images = tuple(rng.choice(pictures).ref for _ in range(rng.choice([1, 1, 2])))
            return CatalogChange(
                op="upsert", item_id=item_id, images=images, attributes={"n": rng.random()}, version=version
            )


def test_changes_become_states_vectors_and_rejects(bench: Bench, tmp_path: Path) -> None:
    pictures = draw_pictures(tmp_path, 12)
    bench.install()
    bench.start()
    bench.wait_ready()
    rng = random.Random(1)
    for _ in range(400):
        item_id = f"sku-{rng.randrange(80)}"
        bench.send(some_change(rng, item_id, pictures), item_id)
    inside = f"data:image/png;base64,{base64.b64encode(Path(pictures[0].ref[7:]).read_bytes()).decode()}"
    bench.send(b"not json", "someone")
    bench.send(b'{"op":"upsert","item_id":"missing","image_url":"file:///nowhere.png"}', "missing")
    bench.send(json.dumps({"op": "upsert", "item_id": "inside", "image_url": inside}).encode(), "other-key")
    bench.send(b'{"op":"upsert","item_id":"torn","image_url":"data:image/png;base64,?","attributes":{"a":1}}', "torn")
    bench.flush()
    bench.settle()

    states = bench.states()
    odd = {item_id: (states.pop(item_id), bench.oracle.pop(item_id)) for item_id in ("inside", "torn", "missing")}
    assert states == bench.oracle
    check_vectors(bench, pictures)
    assert odd["missing"][0] == odd["missing"][1]
    found: dict[str, ItemState] = {item_id: state for item_id, (state, _) in odd.items()}
    assert found["inside"].image is not None
    assert found["inside"].image.refs[0].startswith("store:")
    assert bench.vectors()["inside"].fingerprints == (pictures[0].fingerprint,)
    assert (found["torn"].live, found["torn"].image, found["torn"].values()) == (True, None, {"a": 1})
    assert sorted((r.reason, r.item_id) for r in bench.rejects()) == [
        ("bad_json", "someone"),
        ("image_corrupt", "torn"),
        ("image_unreachable", "missing"),
    ]
    applied = bench.metric("lookalive_stream_changes_total", outcome="applied")
    assert applied == sum(high for _, high in bench.ends(STATES).values()) == 403
    assert bench.metric("lookalive_stream_changes_total", outcome="forwarded") > 0
    assert bench.metric("lookalive_stream_rejects_total", reason="bad_json") == 1
    assert bench.get("/healthz")[0] == 200

    assert bench.terminate() == 0
    assert bench.url() is None
    before = bench.ends(STATES)
    bench.start()
    bench.wait_ready()
    bench.send(b'{"op":"patch","item_id":"after","attributes":{}}', "after")
    bench.flush()
    bench.settle()
    assert sum(high for _, high in bench.ends(STATES).values()) == 1 + sum(high for _, high in before.values())
