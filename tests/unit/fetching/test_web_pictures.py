"""Pictures by HTTP: asked again while that may help, and not sent again when they are what they were."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from embedder.fetch import catalog_fetcher
from embedder.fetched import Fetched, Validator, nothing_known, picture_digest
from embedder.image_store import ImageStore
from embedder.metrics import EmbedderMetrics
from schemas.errors import ImageRejected
from schemas.settings import ImageSettings
from tests.unit.fetching.conftest import Answer, Serve, answer, encoded

IMAGES = ImageSettings(allow_networks=("127.0.0.1/32",), fetch_timeout_s=5.0, fetch_attempts=3)
PICTURE, OTHER = encoded(1), encoded(2)
UNCHANGED = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\n\r\n"


class Memory(dict[str, Validator]):
    """Validators in memory."""

    def validator(self, ref: str) -> Validator | None:
        return self.get(ref)

    def remember(self, ref: str, validator: Validator) -> None:
        self[ref] = validator


class Web:
    """A catalogue's fetcher with a memory, and what it counts."""

    def __init__(self, tmp: object, images: ImageSettings = IMAGES) -> None:
        self.memory = Memory()
        self.registry = CollectorRegistry()
        store = ImageStore(tmp)  # type: ignore[arg-type]
        self.fetcher = catalog_fetcher(images, store, self.memory, EmbedderMetrics(self.registry))

    async def get(self, url: str, known: bool = True) -> Fetched:
        async with self.fetcher.fetching(url, (lambda digest: True) if known else nothing_known) as fetched:
            return fetched

    def counted(self, outcome: str) -> float:
        labels = {"scheme": "http", "outcome": outcome}
        return self.registry.get_sample_value("lookalive_embedder_fetches_total", labels) or 0


@pytest.fixture
async def web(tmp_path):  # type: ignore[no-untyped-def]
    web = Web(tmp_path)
    yield web
    await web.fetcher.close()


def validating(etag: str | None = '"one"', modified: str | None = None) -> object:
    headers = {"ETag": etag, "Last_Modified": modified}
    whole = answer(PICTURE, **{name: value for name, value in headers.items() if value})

    def choose(path: str, head: str) -> Answer:
        same = (etag and f"If-None-Match: {etag}" in head) or (modified and f"If-Modified-Since: {modified}" in head)
        return UNCHANGED if same else whole

    return choose


@pytest.mark.parametrize(
    "validators",
    [
        ('"one"', None),
        ('W/"weak"', None),
        (None, "Sat, 21 Nov 2026 09:00:00 GMT"),
        ('"one"', "Sat, 21 Nov 2026 09:00:00 GMT"),
    ],
)
async def test_what_is_known_is_not_sent_again(
    web: Web, serve: Serve, validators: tuple[str | None, str | None]
) -> None:
    server = await serve(choose=validating(*validators))
    first = await web.get(f"{server.url}/a.png")
    second = await web.get(f"{server.url}/a.png")
    assert first == Fetched(PICTURE, picture_digest(PICTURE))
    assert second == Fetched(None, picture_digest(PICTURE))
    assert (web.counted("sent"), web.counted("unchanged")) == (1, 1)


async def test_what_is_not_known_any_more_is_sent_again(web: Web, serve: Serve) -> None:
    server = await serve(choose=validating())
    await web.get(f"{server.url}/a.png")
    assert (await web.get(f"{server.url}/a.png", known=False)).data == PICTURE
    assert all("If-None-Match" not in head for _, head in server.requests)


async def test_a_changed_picture_is_sent_and_remembered(web: Web, serve: Serve) -> None:
    said = [answer(PICTURE, ETag='"one"'), answer(OTHER, ETag='"two"')]
    server = await serve(choose=lambda path, head: said.pop(0) if said else UNCHANGED)
    url = f"{server.url}/a.png"
    assert [(await web.get(url)).data for _ in range(3)] == [PICTURE, OTHER, None]
    assert 'If-None-Match: "two"' in server.requests[-1][1]
    assert (await web.get(url)).digest == picture_digest(OTHER)


async def test_a_picture_without_validators_is_sent_each_time(web: Web, serve: Serve) -> None:
    server = await serve(answer(PICTURE))
    assert [(await web.get(f"{server.url}/a.png")).data for _ in range(2)] == [PICTURE, PICTURE]
    assert web.memory == {}


async def test_validators_go_only_where_they_came_from(web: Web, serve: Serve) -> None:
    """Another picture behind a redirect that moved may have the same entity tag."""
    one, two = await serve(answer(PICTURE, ETag='"1"')), await serve(answer(OTHER, ETag='"1"'))
    leads = [one.url, two.url]
    here = await serve(choose=lambda path, head: answer(b"", "302 Found", Location=f"{leads.pop(0)}/b.png"))
    assert [(await web.get(f"{here.url}/a.png")).data for _ in range(2)] == [PICTURE, OTHER]
    assert all("If-None-Match" not in head for server in (here, one, two) for _, head in server.requests)


@pytest.mark.parametrize("status", ["500 No", "502 No", "503 No", "429 Slow down", "408 Late"])
async def test_a_passing_failure_is_tried_again(web: Web, serve: Serve, status: str) -> None:
    said = [answer(b"", status), answer(PICTURE)]
    server = await serve(choose=lambda path, head: said.pop(0))
    assert (await web.get(f"{server.url}/a.png")).data == PICTURE
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", ["404 No", "403 No", "410 Gone", "400 No", "401 No"])
async def test_a_lasting_failure_is_not(web: Web, serve: Serve, status: str) -> None:
    server = await serve(answer(b"", status))
    with pytest.raises(ImageRejected) as caught:
        await web.get(f"{server.url}/a.png")
    assert (caught.value.code, caught.value.temporary, len(server.requests)) == ("image_unreachable", False, 1)
    assert caught.value.details["status"] == int(status[:3])


async def test_after_the_last_attempt_the_failure_says_it_may_pass(web: Web, serve: Serve) -> None:
    server = await serve(answer(b"", "500 No"))
    with pytest.raises(ImageRejected) as caught:
        await web.get(f"{server.url}/a.png")
    assert (caught.value.code, caught.value.temporary, len(server.requests)) == ("image_unreachable", True, 3)
    assert caught.value.details["temporary"] is True
    assert web.counted("image_unreachable") == 1


async def test_a_host_that_fails_again_and_again_is_left_alone(web: Web, serve: Serve) -> None:
    bad, good = await serve(answer(b"", "500 No")), await serve(answer(PICTURE))
    results = await asyncio.gather(*(web.get(f"{bad.url}/{n}.png") for n in range(40)), return_exceptions=True)
    assert all(isinstance(result, ImageRejected) and result.temporary for result in results)
    assert len(bad.requests) < 40
    asked = len(bad.requests)
    with pytest.raises(ImageRejected, match="is not asked"):
        await web.get(f"{bad.url}/again.png")
    assert len(bad.requests) == asked
    assert (await web.get(f"{good.url}/a.png")).data == PICTURE


async def test_a_host_has_only_so_many_connections_and_others_have_theirs(tmp_path, serve: Serve) -> None:  # type: ignore[no-untyped-def]
    let_go, inside, most = asyncio.Event(), 0, 0

    async def hang(writer: asyncio.StreamWriter) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await let_go.wait()
        writer.write(answer(PICTURE))
        await writer.drain()
        inside -= 1

    slow, quick = await serve(hang), await serve(answer(OTHER))
    web = Web(tmp_path, ImageSettings(allow_networks=("127.0.0.1/32",), fetches=6, fetches_per_host=4))
    waiting = [asyncio.create_task(web.get(f"{slow.url}/{n}.png")) for n in range(12)]
    async with asyncio.timeout(30):
        while inside < 4:  # noqa: ASYNC110  a counter
            await asyncio.sleep(0.001)
        for n in range(10):
            assert (await web.get(f"{quick.url}/{n}.png")).data == OTHER
    assert not any(task.done() for task in waiting)
    let_go.set()
    assert all(fetched.data == PICTURE for fetched in await asyncio.gather(*waiting))
    assert most == 4
    await web.fetcher.close()
