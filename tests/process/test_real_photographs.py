"""Real photographs, loaded as a user loads them: each one finds itself first, or an identical one."""

import csv
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from query_router.client import RouterClient
from schemas.queries import SearchAnswer
from tests.process.conftest import RunningSystem

PHOTOGRAPHS = Path(__file__).parents[3] / "shared" / "data" / "clothing"

pytestmark = [
    pytest.mark.skipif(
        not (PHOTOGRAPHS / "items.csv").is_file(), reason=f"no photographs at {PHOTOGRAPHS}: part skipped"
    ),
    pytest.mark.timeout(600),
]


def pixels(path: Path) -> bytes:
    return Image.open(io.BytesIO(path.read_bytes())).tobytes()


def test_every_photograph_finds_itself(start_system: Callable[..., RunningSystem]) -> None:
    system = start_system(LOOKALIVE_MODEL__NAME="histogram", LOOKALIVE_NODE__COUNT="1")
    with (PHOTOGRAPHS / "items.csv").open() as table:
        paths = {row["item_id"]: PHOTOGRAPHS / row["image"] for row in csv.DictReader(table)}

    summary = system.lookalive("catalog", "load", str(PHOTOGRAPHS), "--wait")
    print(summary)
    assert (summary["sent"], summary["bad_rows"], summary["settled"]) == (len(paths), 0, True)
    assert system.lookalive("catalog", "rejects") == []

    def search(ids: list[str]) -> dict[str, SearchAnswer]:
        with RouterClient(system.router) as client:
            return {item_id: client.search_picture(paths[item_id], k=2, timeout_ms=30_000) for item_id in ids}

    ids = sorted(paths)
    with ThreadPoolExecutor(2) as pool:
        answers = {i: a for part in pool.map(search, [ids[::2], ids[1::2]]) for i, a in part.items()}
    others = {i: a.items[0].item_id for i, a in answers.items() if a.items[0].item_id != i}
    assert [i for i, other in others.items() if pixels(paths[i]) != pixels(paths[other])] == []
    assert all(a.shards.ok == a.shards.total for a in answers.values())
