"""Freshness as an operator sees it: every stage of real changes, and a canary that nobody else finds."""

import base64
import json
import subprocess
import sys
import urllib.request
from typing import Any

import pytest

from ops.watch_canary import draw_canary
from query_router.client import RouterClient
from schemas.canary import CANARY_HEADER, CANARY_PREFIX
from schemas.errors import LookaliveError
from tests.process.conftest import RunningSystem
from tests.process.pictures import encoded, picture

WAIT: dict[str, Any] = {"wait": True, "timeout_ms": 30_000}


def watch(system: RunningSystem, *words: str) -> tuple[int, list[dict[str, Any]], str]:
    done = subprocess.run(
        [sys.executable, "-m", "ops.cli", "watch", "freshness", "--json", *words],
        env=system.environ,
        capture_output=True,
        timeout=90,
        check=False,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


def test_every_stage_of_every_kind_is_counted(system: RunningSystem) -> None:
    with RouterClient(system.router) as client:
        client.put("fresh-1", encoded(picture("fresh-1")), attributes={"price": 1}, **WAIT)
        client.patch("fresh-1", attributes={"price": 2}, **WAIT)
        client.put("fresh-1", encoded(picture("fresh-2")), **WAIT)
        client.delete("fresh-1", **WAIT)
    code, looks, said = watch(system, "--once", "--threshold-ms", "3600000")
    assert code == 0, said
    (look,) = looks
    counted = {(row["stage"], row["kind"]): row for row in look["stages"]}
    for kind in ("new", "picture"):
        stages = {stage for stage, of in counted if of == kind}
        assert {"merged", "fetched", "embedded", "logged", "applied", "searchable", "total"} <= stages
    for kind in ("attributes", "deleted"):
        assert {"merged", "applied", "searchable", "total"} <= {stage for stage, of in counted if of == kind}
    assert counted[("total", "all")]["p99_ms"] > 0
    assert look["promise"]["holds"] is True
    assert {row["shard"] for row in look["shards"]} == {0, 1, 2}
    assert all(row["lag"] is not None for row in look["shards"])
    code, looks, _ = watch(system, "--once", "--threshold-ms", "0.001")
    assert (code, looks[0]["promise"]["holds"]) == (1, False)


def test_a_canary_is_found_and_gone(system: RunningSystem) -> None:
    code, flights, said = watch(system, "--canary", "--once")
    assert code == 0, said
    (flight,) = flights
    assert flight["found_ms"] > 0
    assert flight["gone_ms"] > 0
    assert flight["item_id"].startswith(CANARY_PREFIX)
    assert system.item(flight["item_id"]) is None
    counted = 'lookalive_router_freshness_seconds_count{kind="upsert",source="canary",stage="total"}'
    assert router_metric(system, counted) >= 1


def test_users_neither_find_canaries_nor_write_them(system: RunningSystem) -> None:
    item_id, drawing = f"{CANARY_PREFIX}held", draw_canary("held")
    path = f"/v1/items/{item_id}?wait=searchable&timeout_ms=30000"
    url = "data:image/png;base64," + base64.b64encode(drawing).decode()
    with RouterClient(system.router) as client:
        with pytest.raises(LookaliveError) as caught:
            client.put(item_id, drawing)
        assert caught.value.code == "bad_id"
    written = ask(system, "PUT", path, {"image_url": url}, canary=True)
    assert written["searchable"] is True
    search = {"image_b64": base64.b64encode(drawing).decode(), "k": 1}
    seen, hidden = (ask(system, "POST", "/v1/search", search, canary=canary) for canary in (True, False))
    assert [hit["item_id"] for hit in seen["items"]] == [item_id]
    assert item_id not in [hit["item_id"] for hit in hidden["items"]]
    for end in ("", "/similar", "/image", "/status"):
        assert system.get(f"/v1/items/{item_id}{end}")[0] == 404
    assert system.post("/v1/search", {"item_id": item_id})[0] == 400
    assert ask(system, "GET", f"/v1/items/{item_id}/status", {}, canary=True)["phase"] == "searchable"
    assert ask(system, "DELETE", path, {}, canary=True)["applied"] is True


def test_the_live_feed_does_not_tell_of_canaries(system: RunningSystem) -> None:
    canary = f"{CANARY_PREFIX}unheard"
    url = "data:image/png;base64," + base64.b64encode(draw_canary("unheard")).decode()
    path = f"/v1/items/{canary}?wait=searchable&timeout_ms=30000"
    with urllib.request.urlopen(f"{system.router}/v1/live", timeout=30) as feed, RouterClient(system.router) as client:
        for method, body in (("PUT", {"image_url": url}), ("DELETE", {})):
            assert ask(system, method, path, body, canary=True)["applied"] is True
        client.put("heard-after", encoded(picture("heard-after")), **WAIT)
        heard: list[str] = []
        while "heard-after" not in heard:
            line = feed.readline()
            if line.startswith(b"data: "):
                heard += [item["item_id"] for item in json.loads(line[6:]).get("items", [])]
        assert canary not in heard
        client.delete("heard-after", **WAIT)
    for source, stage, kind in (
        ("write", "seen", "upsert"),
        ("write", "total", "delete"),
        ("canary", "seen", "upsert"),
        ("live", "seen", "new"),
    ):
        counted = f'lookalive_router_freshness_seconds_count{{kind="{kind}",source="{source}",stage="{stage}"}}'
        assert router_metric(system, counted) >= 1


def test_producers_may_not_write_canaries(system: RunningSystem) -> None:
    item_id = f"{CANARY_PREFIX}forged"
    system.send({"op": "upsert", "item_id": item_id, "image_url": "https://example.com/1.png"}, item_id)
    system.flush()

    def reasons() -> list[str]:
        rows = system.lookalive("catalog", "rejects", "--json")
        return [row["reason"] for row in rows if row.get("item_id") == item_id]

    system.eventually(reasons, ["bad_id"])


def router_metric(system: RunningSystem, sample: str) -> float:
    """The value of one sample; 0 where there is none."""
    with urllib.request.urlopen(f"{system.router}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(sample)), 0.0)


def ask(system: RunningSystem, method: str, path: str, body: dict[str, Any], *, canary: bool) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"} | ({CANARY_HEADER: "1"} if canary else {})
    request = urllib.request.Request(system.router + path, json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: dict[str, Any] = json.loads(answer.read())
    return found
