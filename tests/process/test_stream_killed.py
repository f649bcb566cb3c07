"""SIGKILL at any moment of a load, and a restart: every state, vector and reject is what it would have been."""

import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.changes import CatalogChange
from tests.process.stream_fixtures import Bench, check_vectors, draw_pictures

KILLS, CHANGES_PER_KILL = 4, 400


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


@pytest.mark.parametrize("seed", [3])
def test_kills_during_a_load_lose_nothing(bench: Bench, tmp_path: Path, seed: int) -> None:
    pictures = draw_pictures(tmp_path, 8)
    bench.install()
    bench.start()
    bench.wait_ready()
    rng = random.Random(seed)
    number = 0
    for kill in range(KILLS):
        for _ in range(CHANGES_PER_KILL):
            number += 1
            item_id = f"sku-{rng.randrange(150)}"
            if number % 97 == 0:
                bench.send(f"rubbish {number}".encode(), f"rubbish-{number}")
            elif number % 9 == 0:
                bench.send(None, item_id)
            elif number % 3 == 0:
                bench.send(CatalogChange(op="patch", item_id=item_id, attributes={f"k{number % 5}": number}), item_id)
            else:
                images = (rng.choice(pictures).ref,)
                bench.send(
                    CatalogChange(op="upsert", item_id=item_id, images=images, attributes={"n": number}), item_id
                )
        bench.flush()
        time.sleep(rng.uniform(0.05, 0.8))
        bench.kill()
        if kill == 1:
            # The table grows back from `items.state`, and what was embedded is only embedded again.
            shutil.rmtree(bench.settings.data_path / "stream")
        bench.start()
        if kill % 2:
            bench.wait_ready()
    bench.settle()
    assert bench.states() == bench.oracle
    check_vectors(bench, pictures)
    rubbish = {f"rubbish-{n}" for n in range(1, number + 1) if n % 97 == 0}
    assert {r.item_id for r in bench.rejects()} == rubbish
    assert bench.terminate() == 0
