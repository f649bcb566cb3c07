"""Pictures that lie on web servers and in buckets: found, fetched once, embedded once, and searched with by URL."""

import csv
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.bench.picture_server import PictureServer
from ops.sample_catalog import draw_catalog
from tests.process.conftest import RunningSystem

PHOTOGRAPHS = Path(__file__).parents[3] / "shared" / "data" / "clothing"
COUNT = 100
ALLOWED = {"LOOKALIVE_IMAGES__ALLOW_NETWORKS": "127.0.0.1/32", "LOOKALIVE_NODE__COUNT": "1"}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    items = draw_catalog(tmp_path_factory.mktemp("drawn"), COUNT)
    return {item.item_id: item.path for item in items}


def photographs() -> dict[str, Path]:
    """The first pictures of the folder that are not equal to another one."""
    with (PHOTOGRAPHS / "items.csv").open() as table:
        paths = {row["item_id"]: PHOTOGRAPHS / row["image"] for row in csv.DictReader(table)}
    by_bytes = {path.read_bytes(): (item_id, path) for item_id, path in list(paths.items())[: 2 * COUNT]}
    return dict(list(by_bytes.values())[:COUNT])


def serving(paths: dict[str, Path]) -> PictureServer:
    pictures = {f"/{number}.jpg": path.read_bytes() for number, path in enumerate(paths.values())}
    return PictureServer(pictures.get)


def metric(system: RunningSystem, name: str, **labels: str) -> float:
    """The sum of the stream worker's samples with these labels."""
    announced = next((system.data_dir / "run").glob("stream-*.json")).read_text()
    url = announced.partition('"url":"')[2].partition('"')[0]
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    found = [line for line in lines if line.startswith((f"{name}{{", f"{name} ")) and all(w in line for w in wanted)]
    return sum(float(line.rsplit(" ", 1)[1]) for line in found)


def load(system: RunningSystem, url: str, ids: list[str], turn: int) -> None:
    for number, item_id in enumerate(ids):
        change = {"op": "upsert", "item_id": item_id, "image_url": f"{url}/{number}.jpg", "attributes": {"turn": turn}}
        system.send(change)
    system.flush()
    seen = lambda: sum(1 for _, attributes in system.found(ids).values() if attributes["turn"] == turn)  # noqa: E731
    system.eventually(seen, len(ids))
    outcomes = {"embedded", "rejected", "superseded"}
    done = lambda: sum(metric(system, "lookalive_stream_states_total", outcome=o) for o in outcomes)  # noqa: E731
    system.eventually(done, float(turn * len(ids)))


def loaded_twice(start_system: Callable[..., RunningSystem], paths: dict[str, Path], model: str) -> None:
    system = start_system(LOOKALIVE_MODEL__NAME=model, **ALLOWED)
    server = serving(paths)
    ids = list(paths)
    try:
        load(system, server.url, ids, 1)
        assert dict(server.answers) == {200: COUNT}
        embedded = metric(system, "lookalive_embedder_batch_size_sum")
        assert embedded == COUNT
        sent_bytes = server.sent_bytes

        load(system, server.url, ids, 2)
        assert dict(server.answers) == {200: COUNT, 304: COUNT}, "images transferred again"
        assert server.sent_bytes == sent_bytes == metric(system, "lookalive_embedder_fetched_bytes_total")
        assert metric(system, "lookalive_embedder_batch_size_sum") == embedded, "images embedded again"
        assert metric(system, "lookalive_embedder_fetches_total", scheme="http", outcome="unchanged") == COUNT
        assert metric(system, "lookalive_embedder_cache_total", outcome="hit") == COUNT

        status, answer = system.post("/v1/search", {"image_url": f"{server.url}/3.jpg", "k": 1, "timeout_ms": 10_000})
        assert (status, answer["items"][0]["item_id"]) == (200, ids[3])
    finally:
        server.close()


def test_drawn_pictures_loaded_twice_are_sent_and_embedded_once(
    start_system: Callable[..., RunningSystem], drawn: dict[str, Path]
) -> None:
    loaded_twice(start_system, drawn, "fake")


@pytest.mark.skipif(not (PHOTOGRAPHS / "items.csv").is_file(), reason=f"no photographs at {PHOTOGRAPHS}: part skipped")
def test_photographs_loaded_twice_are_sent_and_embedded_once(start_system: Callable[..., RunningSystem]) -> None:
    loaded_twice(start_system, photographs(), "histogram")


@pytest.fixture
def servers(drawn: dict[str, Path]) -> Iterator[dict[str, PictureServer]]:
    data = {f"/{number}.jpg": path.read_bytes() for number, path in enumerate(drawn.values())}
    started = {health: PictureServer(data.get, health) for health in ("well", "hanging", "failing")}  # type: ignore[arg-type]
    yield started
    for server in started.values():
        server.close()


def test_hosts_that_hang_and_fail_hold_up_nobody_else(
    start_system: Callable[..., RunningSystem], servers: dict[str, PictureServer]
) -> None:
    """Everything else is found while the hanging host still hangs; what hung is found once it answers."""
    few = {"LOOKALIVE_RETRIES__ATTEMPTS": "2", "LOOKALIVE_RETRIES__FIRST_S": "1"}
    system = start_system(LOOKALIVE_IMAGES__FETCH_TIMEOUT_S="60", **few, **ALLOWED)
    healths = {f"sku-{n}": {0: "hanging", 1: "failing"}.get(n % 10, "well") for n in range(COUNT)}
    for number, (item_id, health) in enumerate(healths.items()):
        system.send({"op": "upsert", "item_id": item_id, "image_url": f"{servers[health].url}/{number}.jpg"})
    system.flush()
    well = [item_id for item_id, health in healths.items() if health == "well"]
    system.eventually(lambda: len(system.found(well)), len(well))
    assert servers["hanging"].answers == {}

    def refused() -> set[str]:
        rows: list[dict[str, Any]] = system.lookalive("catalog", "rejects")
        assert {row["reason"] for row in rows} <= {"image_unreachable"}
        assert {row["details"]["temporary"] for row in rows} <= {"True"}
        return {row["item_id"] for row in rows}

    failed = {item_id for item_id, health in healths.items() if health == "failing"}
    system.eventually(refused, failed)
    servers["hanging"].release()
    hung = [item_id for item_id, health in healths.items() if health == "hanging"]
    system.eventually(lambda: len(system.found(hung)), len(hung))
    assert refused() == failed


def test_the_status_says_that_a_picture_is_tried_again_until_it_is_found(
    start_system: Callable[..., RunningSystem], servers: dict[str, PictureServer]
) -> None:
    system = start_system(**ALLOWED)
    url = f"{servers['failing'].url}/1.jpg"
    system.send({"op": "upsert", "item_id": "waits", "image_url": url})
    system.flush()

    def waits() -> bool:
        status, answer = system.get("/v1/items/waits/status")
        return status == 200 and "could not be fetched" in answer["explanation"]

    system.eventually(waits, True)
    _, answer = system.get("/v1/items/waits/status")
    assert (answer["phase"], answer["searchable"], answer["rejected"]) == ("embedding", False, [])
    assert (answer["retry"]["reason"], answer["retry"]["attempt"] >= 1) == ("image_unreachable", True)
    assert url in answer["retry"]["message"]
    assert answer["retry"]["next_at"] in answer["explanation"]
    servers["failing"].heal()
    system.eventually(lambda: len(system.found(["waits"])), 1)
    _, answer = system.get("/v1/items/waits/status")
    assert (answer["phase"], answer["retry"]) == ("searchable", None)
    assert system.lookalive("catalog", "rejects") == []


def test_a_search_by_url_is_guarded(system: RunningSystem, drawn: dict[str, Path]) -> None:
    server = serving(drawn)
    try:
        for url in (f"{server.url}/1.jpg", "http://169.254.169.254/latest", "http://2130706433/", "file:///etc/passwd"):
            status, answer = system.post("/v1/search", {"image_url": url})
            assert (status, answer["error"]["code"]) == (422, "image_refused")
        assert server.answers == {}
    finally:
        server.close()
