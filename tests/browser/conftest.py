"""One running system with the sample catalogue, and pages of Debian's Chromium that look at it."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from ops.sample_catalog import SampleItem, draw_catalog
from tests.process.conftest import RunningSystem

ITEMS, SEED = 48, 7
WAIT_MS = 20_000
AXE = Path(sys.prefix) / "browser-tests" / "axe-core" / "package" / "axe.min.js"
PageMaker = Callable[..., Page]
# What the page asks is noted inside it: Playwright does not see the pictures in a form.
_NOTE_SEARCHES = """
window.asked = [];
const real = window.fetch;
window.fetch = (url, options) => {
  const body = url === "/v1/search" ? options.body : null;
  if (body !== null) window.asked.push(JSON.parse(body instanceof FormData ? body.get("query") : body));
  return real(url, options);
};
"""


class Shop:
    """A running system and the catalogue that was put into it."""

    def __init__(self, system: RunningSystem, items: list[SampleItem]) -> None:
        self.system, self.items = system, items

    @property
    def url(self) -> str:
        return self.system.router + "/"

    def first(self, category: str) -> SampleItem:
        """The first item of this category."""
        return next(item for item in self.items if item.category == category)

    def upsert(self, item_id: str, picture: Path, **attributes: Any) -> None:
        """Put an item of one's own."""
        self.send({"op": "upsert", "item_id": item_id, "image_url": picture.as_uri(), "attributes": attributes})

    def delete(self, item_id: str) -> None:
        """Take it away again."""
        self.send({"op": "delete", "item_id": item_id})

    def send(self, change: dict[str, Any]) -> None:
        """Write one change to Kafka."""
        self.system.send(change)
        self.system.flush()

    def is_found(self, item_id: str) -> bool:
        return self.system.item(item_id) is not None

    def wait_for(self, item_id: str, found: bool = True) -> None:
        """Until the item can (or cannot) be found."""
        self.system.eventually(lambda: self.is_found(item_id), found)


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Debian's Chromium; without it every test here is skipped."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no Chromium here: `apt-get install chromium` brings it")
    return path


@pytest.fixture(scope="module")
def playwright_api(chromium_path: str) -> Iterator[Playwright]:
    """Playwright for one file only: its event loop runs in the thread until it stops, and no other can meanwhile."""
    with sync_playwright() as api:
        yield api


@pytest.fixture(scope="module")
def browser(playwright_api: Playwright, chromium_path: str) -> Iterator[Browser]:
    launched = playwright_api.chromium.launch(
        executable_path=chromium_path, args=["--no-sandbox", "--disable-dev-shm-usage"]
    )
    yield launched
    launched.close()


@pytest.fixture(scope="session")
def shop(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One system for all browser tests; each leaves the catalogue as it found it."""
    folder = tmp_path_factory.mktemp("shop")
    items = draw_catalog(folder / "catalog", ITEMS, SEED)
    system = RunningSystem(folder / "data", LOOKALIVE_MODEL__NAME="histogram", LOOKALIVE_NODE__COUNT="2")
    shop = Shop(system, items)
    for item in items:
        system.send(
            {"op": "upsert", "item_id": item.item_id, "image_url": item.path.as_uri(), "attributes": item.attributes()}
        )
    system.flush()
    for item in items:
        shop.wait_for(item.item_id)
    yield shop
    assert system.stop() == 0, system.output.read_text()


@pytest.fixture
def open_page(browser: Browser, shop: Shop) -> Iterator[PageMaker]:
    """Opens the page, each time in a browser of its own; a script error or a violated policy fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []
    expect.set_options(timeout=WAIT_MS)

    def opened(query: str = "", **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        contexts.append(context)
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console", lambda said: complaints.append(said.text) if "Content Security Policy" in said.text else None
        )
        page.add_init_script(_NOTE_SEARCHES)
        page.goto(shop.url + query)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def page(open_page: PageMaker) -> Page:
    """The page on a desktop's screen."""
    return open_page()


@contextmanager
def next_query(page: Page) -> Iterator[dict[str, Any]]:
    """What the page asks the router next, filled in at the end of the block."""
    query: dict[str, Any] = {}
    before = page.evaluate("window.asked.length")
    yield query
    until(page, f"window.asked.length > {before}")
    query.update(page.evaluate("window.asked.at(-1)"))


def until(page: Page, expression: str) -> None:
    """Until this is true inside the page; Playwright's own waiting evaluates text there, which the policy forbids."""
    deadline = time.monotonic() + WAIT_MS / 1000
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(50)


@pytest.fixture(scope="session")
def axe_source() -> str:
    """The accessibility checker's script."""
    if not AXE.exists():
        pytest.skip("no axe-core here: `make browser` fetches it from npm")
    return AXE.read_text()
