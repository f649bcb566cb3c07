"""A list of changes: each has its own outcome, and a bad one keeps nobody else out."""

import json
import urllib.error
import urllib.request
from typing import Any

from tests.process.conftest import RunningSystem
from tests.process.pictures import data_url, picture

WAIT = "?wait=searchable&timeout_ms=30000"


def ask(system: RunningSystem, method: str, path: str, body: Any) -> tuple[int, Any]:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(system.router + path, json.dumps(body).encode(), headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def upsert(item_id: str) -> dict[str, object]:
    return {"op": "upsert", "item_id": item_id, "image_url": data_url(picture(item_id))}


def test_bad_one_is_said_and_the_others_are_found(system: RunningSystem) -> None:
    changes = [
        upsert("list-1"),
        {"op": "replace", "item_id": "list-2"},
        {"op": "upsert", "item_id": ""},
        "nonsense",
        {"op": "upsert", "item_id": "list-5", "image_url": "data:image/png;base64,@@@"},
        {"op": "upsert", "item_id": "list-6", "image_url": "file:///nowhere.png"},
        upsert("list-7"),
        {"op": "patch", "item_id": "list-7", "attributes": {"colour": "red"}},
    ]
    status, answer = ask(system, "POST", f"/v1/items{WAIT}", changes)
    assert status == 202
    assert (answer["accepted"], answer["refused"]) == (3, 5)
    assert [one["status"] for one in answer["items"]] == [200, 400, 400, 400, 422, 422, 200, 200]
    assert [one["error"]["code"] for one in answer["items"] if "error" in one] == [
        "bad_schema",
        "bad_id",
        "bad_schema",
        "image_corrupt",
        "image_unreachable",
    ]
    assert system.found(["list-1", "list-7"]) == {"list-1": (0, {}), "list-7": (0, {"colour": "red"})}


def test_all_found_is_200(system: RunningSystem) -> None:
    ids = [f"many-{n}" for n in range(150)]
    status, answer = ask(system, "POST", f"/v1/items{WAIT}", [upsert(item_id) for item_id in ids])
    assert (status, answer["accepted"], answer["refused"]) == (200, 150, 0)
    assert sorted(system.found(ids)) == sorted(ids)
    deletes = [{"op": "delete", "item_id": item_id} for item_id in ids]
    status, answer = ask(system, "POST", f"/v1/items{WAIT}", deletes)
    assert (status, system.found(ids)) == (200, {})


def test_nothing_taken_is_an_error(system: RunningSystem) -> None:
    status, body = ask(system, "POST", "/v1/items", [{"op": "upsert"}, {"op": "patch", "item_id": "x"}])
    assert (status, body["error"]["code"]) == (400, "none_taken")
    assert [one["status"] for one in body["error"]["details"]["items"]] == [400, 400]


def test_length_is_bounded(system: RunningSystem) -> None:
    for changes in ([], [{"op": "delete", "item_id": "x"}] * 1001):
        status, body = ask(system, "POST", "/v1/items", changes)
        assert (status, body["error"]["code"]) == (400, "bad_length")
