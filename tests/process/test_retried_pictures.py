"""Pictures whose host fails for now: tried again until it heals, given up in the end, left when newer ones come."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from ops.bench.picture_server import PictureServer
from schemas.changes import CatalogChange
from schemas.retries import decode_retry
from schemas.retry_settings import RetrySettings
from schemas.settings import ImageSettings
from schemas.topics import RETRIES
from schemas.vector_record import decode_vector_record
from tests.process.stream_fixtures import GENERATION, SETTLE_S, VECTORS, Bench, Picture, draw_pictures

COUNT = 12

StartServer = Callable[..., PictureServer]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    bench.settings = msgspec.structs.replace(
        bench.settings,
        images=ImageSettings(any_file=True, allow_networks=("127.0.0.1/32",), fetch_attempts=1),
        retries=RetrySettings(attempts=30, first_s=0.3, longest_s=1.5),
    )
    bench.install()
    bench.start()
    bench.wait_ready()
    yield bench
    bench.close()


@pytest.fixture
def pictures(tmp_path: Path) -> list[Picture]:
    return draw_pictures(tmp_path, COUNT)


@pytest.fixture
def start_server(pictures: list[Picture]) -> Iterator[StartServer]:
    """Starts servers of the drawn pictures, as `/0.png` and so on."""
    data = {f"/{n}.png": Path(p.ref.removeprefix("file://")).read_bytes() for n, p in enumerate(pictures)}
    started: list[PictureServer] = []

    def start(health: str = "well", failures: int | None = None) -> PictureServer:
        started.append(PictureServer(data.get, health, failures))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for server in started:
        server.close()


def put(bench: Bench, item_id: str, *images: str) -> None:
    bench.send(CatalogChange(op="upsert", item_id=item_id, images=images), item_id)


def arrived(bench: Bench) -> dict[str, tuple[bytes, ...]]:
    """The pictures of each item's newest vectors."""
    return {item_id: record.fingerprints for item_id, record in bench.vectors().items()}


def test_a_host_that_heals_brings_all_its_items(
    bench: Bench, pictures: list[Picture], start_server: StartServer
) -> None:
    server = start_server("failing", 8)
    for n in range(COUNT):
        put(bench, f"sku-{n}", f"{server.url}/{n}.png")
    bench.flush()
    wanted = {f"sku-{n}": (p.fingerprint,) for n, p in enumerate(pictures)}
    bench.until(lambda: arrived(bench) == wanted, SETTLE_S)
    assert bench.rejects() == []
    assert (server.answers[500], server.answers[200]) == (8, COUNT)
    retries = [decode_retry(raw.value) for raw in bench.read(RETRIES)]
    assert {retry.generation for retry in retries} == {GENERATION}
    assert all(raw.key == decode_retry(raw.value).item_id.encode() for raw in bench.read(RETRIES))
    assert bench.metric("lookalive_stream_retries_total", outcome="embedded") == len({r.item_id for r in retries})
    bench.until(lambda: bench.metric("lookalive_stream_retries_waiting") == 0, SETTLE_S)
    bench.until(bench.settled, SETTLE_S)


def test_a_host_that_never_heals_is_given_up_after_the_last_attempt_and_holds_up_nobody(
    bench: Bench, pictures: list[Picture], start_server: StartServer
) -> None:
    bench.terminate()
    bench.settings = msgspec.structs.replace(
        bench.settings, retries=RetrySettings(attempts=3, first_s=2.0, longest_s=4.0)
    )
    bench.start()
    bench.wait_ready()
    failing, lonely, well = start_server("failing"), start_server("failing"), start_server()
    put(bench, "alone", f"{lonely.url}/0.png")
    for n in range(COUNT):
        put(bench, f"sku-{n}", f"{(failing if n % 3 == 0 else well).url}/{n}.png")
    put(bench, "both", f"{well.url}/0.png", f"{failing.url}/1.png")
    bench.flush()
    bench.settle()
    wanted = {f"sku-{n}": (p.fingerprint,) for n, p in enumerate(pictures) if n % 3}
    wanted["both"] = (pictures[0].fingerprint,)
    assert arrived(bench) == wanted, "everything else is there when the states are done with"
    failed = {f"sku-{n}" for n in range(0, COUNT, 3)} | {"both", "alone"}
    bench.until(lambda: {row.item_id for row in bench.rejects()} == failed, SETTLE_S)
    rows = bench.rejects()
    assert {row.reason for row in rows} == {"image_unreachable"}
    assert {row.details["image"].partition("/")[0] for row in rows} == {"http:"}
    assert max(row.attempt for row in rows) <= 3
    assert [(r.attempt, r.details["status"]) for r in rows if r.item_id == "alone"] == [(3, "500")]
    assert lonely.answers[500] == 3
    assert len(rows) == len(failed)
    assert arrived(bench) == wanted
    assert bench.metric("lookalive_stream_retries_waiting") == 0


def test_newer_pictures_and_deletes_supersede_what_waits(
    bench: Bench, pictures: list[Picture], start_server: StartServer
) -> None:
    failing, well = start_server("failing"), start_server()
    for n in range(4):
        put(bench, f"sku-{n}", f"{failing.url}/{n}.png")
    bench.flush()
    bench.until(lambda: len({raw.key for raw in bench.read(RETRIES)}) == 4, SETTLE_S)
    put(bench, "sku-0", f"{well.url}/4.png")
    put(bench, "sku-1", f"{well.url}/5.png")
    bench.send(None, "sku-2")
    bench.flush()
    bench.settle()
    asked = sum(failing.answers.values())
    failing.heal()
    bench.until(lambda: "sku-3" in arrived(bench), SETTLE_S)
    bench.until(lambda: bench.metric("lookalive_stream_retries_waiting") == 0, SETTLE_S)
    assert arrived(bench) == {
        "sku-0": (pictures[4].fingerprint,),
        "sku-1": (pictures[5].fingerprint,),
        "sku-2": (),
        "sku-3": (pictures[3].fingerprint,),
    }
    assert sum(failing.answers.values()) == asked + 1, "the superseded pictures were not asked for again"
    assert bench.rejects() == []
    last = {raw.key: raw.value for raw in bench.read(RETRIES)}
    assert set(last) == {f"sku-{n}".encode() for n in range(4)}


def test_kills_while_retries_wait_lose_none(bench: Bench, pictures: list[Picture], start_server: StartServer) -> None:
    server = start_server("failing")
    for n in range(COUNT):
        put(bench, f"sku-{n}", f"{server.url}/{n}.png")
    bench.flush()
    bench.until(lambda: len(bench.read(RETRIES)) >= 1, SETTLE_S)
    bench.kill()
    bench.start()
    bench.until(lambda: len({raw.key for raw in bench.read(RETRIES)}) == COUNT, SETTLE_S)
    put(bench, "sku-0", pictures[1].ref)
    bench.flush()
    bench.until(lambda: "sku-0" in arrived(bench), SETTLE_S)
    bench.kill()
    # Another worker takes over, which has no notes of what the first one did.
    server.heal()
    bench.start("2")
    wanted = {f"sku-{n}": (p.fingerprint,) for n, p in enumerate(pictures)} | {"sku-0": (pictures[1].fingerprint,)}
    bench.until(lambda: arrived(bench) == wanted, SETTLE_S, ["2"])
    bench.until(lambda: bench.metric("lookalive_stream_retries_waiting", "2") == 0, SETTLE_S, ["2"])
    assert bench.rejects() == []
    newest = [raw for raw in bench.read(VECTORS) if raw.key == b"sku-0"]
    assert decode_vector_record(newest[-1].value).fingerprints == (pictures[1].fingerprint,), (
        "compaction keeps the last"
    )
    assert bench.terminate("2") == 0
