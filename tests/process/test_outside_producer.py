"""An outside Kafka client that knows only the contract drives the whole path: every kind of change, in every order."""

from typing import Any

import pytest

from tests.process.conftest import RunningSystem
from tests.process.pictures import data_url, picture


def up(item: str, version: int | None = None, seed: int = 1, **attributes: Any) -> dict[str, Any]:
    change = {"op": "upsert", "item_id": item, "image_url": data_url(picture(seed)), "attributes": attributes}
    return change if version is None else change | {"version": version}


def patch(item: str, version: int | None = None, **attributes: Any) -> dict[str, Any]:
    change = {"op": "patch", "item_id": item, "attributes": attributes}
    return change if version is None else change | {"version": version}


def delete(item: str, version: int | None = None) -> dict[str, Any]:
    return {"op": "delete", "item_id": item} | ({} if version is None else {"version": version})


HISTORIES: dict[str, tuple[list[dict[str, Any] | None], tuple[int, dict[str, Any]] | None]] = {
    "plain": ([up("plain", 1, price=5)], (1, {"price": 5})),
    "patched": (
        [up("patched", 1, price=5, stock=True), patch("patched", 2, price=4)],
        (2, {"price": 4, "stock": True}),
    ),
    "patched-first": ([patch("patched-first", 2, price=4), up("patched-first", 1, price=5)], (2, {"price": 4})),
    "deleted": ([up("deleted", 1), delete("deleted", 2)], None),
    "nulled": ([up("nulled"), None], None),
    "stale": ([up("stale", 5, price=5), up("stale", 3, price=3), delete("stale", 4)], (5, {"price": 5})),
    "twice": ([up("twice", 5, price=5), up("twice", 5, price=5)], (5, {"price": 5})),
    "raised": ([up("raised", 1), delete("raised", 2), up("raised", 3, back=True)], (3, {"back": True})),
    "not-raised": ([up("not-raised", 1), delete("not-raised", 4), up("not-raised", 3)], None),
    "versionless": (
        [up("versionless", price=1), patch("versionless", price=2), delete("versionless"), up("versionless", price=3)],
        (0, {"price": 3}),
    ),
    "only-patched": ([patch("only-patched", 1, price=1)], None),
    "mixed": ([up("mixed", 7, price=1), patch("mixed", price=2)], (7, {"price": 2})),
    "ünïcode/with?odd#parts %41": ([up("ünïcode/with?odd#parts %41", 1, a=None)], (1, {"a": None})),
}


@pytest.fixture(scope="module")
def driven(system: RunningSystem) -> RunningSystem:
    for item, (history, _) in HISTORIES.items():
        for change in history:
            system.send(change, key=item)
            system.flush()
    return system


@pytest.mark.parametrize("item", HISTORIES)
def test_history_ends_as_it_should(driven: RunningSystem, item: str) -> None:
    expected = HISTORIES[item][1]
    driven.eventually(lambda: driven.found([item]), {} if expected is None else {item: expected})


def test_picture_is_found_and_replaced(system: RunningSystem) -> None:
    def best(seed: int) -> tuple[str, bool]:
        status, answer = system.post("/v1/search", {"image_b64": data_url(picture(seed)).partition(",")[2], "k": 1})
        assert status == 200, answer
        hit = answer["items"][0]
        return hit["item_id"], hit["score"] > 0.999

    system.send(up("dressed", 1, seed=101))
    system.flush()
    system.eventually(lambda: best(101), ("dressed", True))
    system.send(up("dressed", 2, seed=102))
    system.flush()
    system.eventually(lambda: best(102), ("dressed", True))
    assert best(101) != ("dressed", True)


def test_answer_has_the_shape_of_the_contract(driven: RunningSystem) -> None:
    driven.eventually(lambda: driven.found(["plain"]), {"plain": (1, {"price": 5})})
    status, answer = driven.post("/v1/search", {"item_id": "plain", "k": 3})
    assert status == 200
    assert set(answer) == {"query_id", "generation", "took_ms", "items", "shards", "degraded", "warnings"}
    assert answer["shards"] == {"total": 3, "ok": 3, "failed": 0, "timed_out": 0}
    assert answer["degraded"] is None
    assert all(set(hit) == {"item_id", "score", "attributes"} for hit in answer["items"])
    scores = [hit["score"] for hit in answer["items"]]
    assert scores == sorted(scores, reverse=True)
    status, item = driven.get("/v1/items/plain")
    assert set(item) == {"item_id", "version", "attributes", "generation", "event_time", "searchable_at"}
    assert item["event_time"] <= item["searchable_at"]


def test_filter_and_its_warning(system: RunningSystem) -> None:
    for number in range(6):
        system.send(up(f"filtered-{number}", 1, seed=200 + number, size=number, series="filtered"))
    system.flush()
    names = [f"filtered-{n}" for n in range(6)]
    system.eventually(lambda: sorted(system.found(names)), names)
    body = {"item_id": "filtered-0", "filter": {"series": "filtered", "size": {"gte": 3}}, "k": 10}
    status, answer = system.post("/v1/search", body)
    assert (status, sorted(hit["item_id"] for hit in answer["items"])) == (200, names[3:])
    status, answer = system.post("/v1/search", {"item_id": "filtered-0", "filter": {"no-such": 1}})
    assert (status, answer["items"]) == (200, [])
    assert "no-such" in answer["warnings"][0]
    status, answer = system.post("/v1/search", {"item_id": "filtered-0", "filter": {"size": {"near": 1}}})
    assert (status, answer["error"]["code"]) == (400, "bad_filter")
