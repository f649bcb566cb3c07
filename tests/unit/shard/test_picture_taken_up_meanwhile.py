"""An item that takes up a picture of another in the middle of a search is in the answer, wherever that picture lies."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from index_shards import searcher
from index_shards.searcher import Query
from index_shards.shard import Shard
from schemas.filters import parse_filter
from tests.unit.shard.oracle import change_state, open_shard, picture_vector, vectors_of

OLD, TAKEN_UP = b"old picture", b"picture of another"


def show(shard: Shard, item_id: str, version: int, fingerprint: bytes, hidden: bool = False, **attributes: Any) -> None:
    """Give the item this picture; a hidden one has no state yet."""
    state = change_state(item_id, "upsert", version, version, attributes)
    assert state.upserted is not None
    if not hidden:
        shard.apply_state(state)
    shard.apply_vectors(item_id, vectors_of(state.upserted, fingerprint))


@pytest.fixture
def in_the_middle(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What is done between the first look of the next search and the naming of what it found."""
    waiting: list[Callable[[], None]] = []
    real = searcher.search_graph

    def search_graph(*args: Any) -> Any:
        found = real(*args)
        while waiting:
            waiting.pop()()
        return found

    monkeypatch.setattr(searcher, "search_graph", search_graph)
    return waiting


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("drained", [False, True], ids=["in the buffer", "in the graph"])
@pytest.mark.parametrize("hidden", [False, True], ids=["found by another item", "hidden"])
@pytest.mark.parametrize("raw_filter", [None, {"color": "red"}], ids=["all", "filtered"])
def test_it_is_in_the_answer(
    tmp_path: Path,
    in_the_middle: list[Callable[[], None]],
    exact: bool,
    drained: bool,
    hidden: bool,
    raw_filter: dict[str, Any] | None,
) -> None:
    shard = open_shard(tmp_path)
    show(shard, "steady", 1, OLD, color="red")
    show(shard, "another", 2, TAKEN_UP, hidden, color="blue")
    while drained and shard.drain():
        pass
    in_the_middle.append(lambda: show(shard, "steady", 3, TAKEN_UP, color="red"))
    wanted = None if raw_filter is None else parse_filter(raw_filter)
    found = shard.search(Query(picture_vector(TAKEN_UP), 10, wanted, exact)).items
    assert not in_the_middle
    best = {hit.item_id: hit.score for hit in found}
    assert best["steady"] == pytest.approx(float(picture_vector(TAKEN_UP) @ picture_vector(TAKEN_UP)), abs=1e-6)
    assert set(best) == {"steady"} | ({"another"} if not hidden and raw_filter is None else set())
    shard.close()
