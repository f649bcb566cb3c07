"""An item is put, patched and deleted over HTTP, and when the call returns every search shows it."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from query_router.client import RouterClient
from schemas.errors import LookaliveError
from tests.process.conftest import RunningSystem
from tests.process.pictures import data_url, encoded, picture

WAIT_MS = 30_000


@pytest.fixture
def client(system: RunningSystem) -> Iterator[RouterClient]:
    with RouterClient(system.router) as client:
        yield client


def test_uploaded_picture_is_found_when_the_call_returns(system: RunningSystem, client: RouterClient) -> None:
    before = {path for path in (system.data_dir / "images").rglob("*") if path.is_file()}
    answer = client.put("put-1", encoded(picture("put-1")), wait=True, timeout_ms=WAIT_MS, attributes={"size": "m"})
    assert (answer.item_id, answer.version, answer.searchable) == ("put-1", 0, True)
    assert isinstance(answer.delay_ms, float)
    assert answer.delay_ms > 0
    hits = client.search_picture(encoded(picture("put-1")), k=1, filter={"size": "m"}).items
    assert [hit.item_id for hit in hits] == ["put-1"]
    item = client.item("put-1")
    assert (item.version, item.event_time) == (0, answer.event_time)
    stored = {path for path in (system.data_dir / "images").rglob("*") if path.is_file()} - before
    assert [path.read_bytes() for path in stored] == [encoded(picture("put-1"))]


def test_new_picture_takes_the_place_of_the_old_one(client: RouterClient) -> None:
    client.put("replaced", encoded(picture("old")), wait=True, timeout_ms=WAIT_MS)
    assert client.put("replaced", encoded(picture("new")), wait=True, timeout_ms=WAIT_MS).searchable is True
    (hit,) = client.search_picture(encoded(picture("new")), k=1).items
    assert hit.item_id == "replaced"
    assert hit.score == pytest.approx(1, abs=1e-3)
    (other,) = client.search_picture(encoded(picture("old")), k=1).items
    assert other.item_id != "replaced" or other.score < 0.999


def test_patch_and_delete_are_seen_when_the_call_returns(client: RouterClient) -> None:
    client.put(
        "then-gone",
        image_url=data_url(picture("then-gone")),
        version=7,
        wait=True,
        timeout_ms=WAIT_MS,
    )
    answer = client.patch("then-gone", attributes={"price": 9, "note": None}, wait=True, timeout_ms=WAIT_MS)
    assert (answer.version, answer.applied, answer.searchable) == (7, True, True)
    assert json.loads(bytes(client.item("then-gone").attributes)) == {"note": None, "price": 9}
    answer = client.delete("then-gone", version=8, wait=True, timeout_ms=WAIT_MS)
    assert (answer.version, answer.applied, answer.searchable) == (8, True, False)
    assert isinstance(answer.delay_ms, float)
    with pytest.raises(LookaliveError) as caught:
        client.item("then-gone")
    assert caught.value.code == "unknown_item"
    again = client.delete("then-gone", wait=True, timeout_ms=WAIT_MS)
    assert (again.applied, again.searchable) == (True, False)


def test_deleting_what_never_was_is_applied(system: RunningSystem) -> None:
    url = f"{system.router}/v1/items/never-was?wait=searchable&timeout_ms={WAIT_MS}"
    with urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=60) as reply:
        answer = json.loads(reply.read())
    assert (reply.status, answer["applied"], answer["searchable"]) == (200, True, False)
    assert answer["delay_ms"] > 0


def test_without_waiting_it_is_taken_and_found_later(system: RunningSystem, client: RouterClient) -> None:
    answer = client.put("later/1", encoded(picture("later")), version=3)
    assert (answer.item_id, answer.version) == ("later/1", 3)
    request = urllib.request.Request(f"{system.router}/v1/items/later%2F1", b"{}", method="DELETE")
    request.add_header("Content-Type", "application/json")
    system.eventually(lambda: list(system.found(["later/1"])), ["later/1"])
    with urllib.request.urlopen(request, timeout=30) as reply:
        assert (reply.status, json.loads(reply.read())["version"]) == (202, None)
    system.eventually(lambda: list(system.found(["later/1"])), [])


def test_pictures_of_every_kind_of_reference(client: RouterClient, tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(encoded(picture("by-file")))
    assert client.put("by-file", image_url=file.as_uri(), wait=True, timeout_ms=WAIT_MS).searchable is True
    two = client.put("by-two", encoded(picture("two-a")), encoded(picture("two-b")), wait=True, timeout_ms=WAIT_MS)
    assert two.searchable is True
    for seed in ("by-file", "two-a", "two-b"):
        (hit,) = client.search_picture(encoded(picture(seed)), k=1).items
        assert hit.item_id == seed.replace("two-a", "by-two").replace("two-b", "by-two")
