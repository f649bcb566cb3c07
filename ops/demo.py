"""`lookalive demo`: the whole system with a catalogue streaming in, searched and changed while you look."""

import itertools
import shlex
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

import msgspec

from ops.browser import open_page
from ops.catalog_sources import BadRow, open_source
from ops.catalog_writer import CatalogWriter, now_us
from ops.change_line import ChangeLine
from ops.console import print_table, progress_bar, speak_error
from ops.endpoints import Endpoints, command_line, kafka_of
from ops.freshness import item_delay_ms, sampled_delays
from ops.live_ear import LiveEar
from ops.running import say, say_where, started, wait_ready
from ops.sample_catalog import draw_catalog, live_changes
from ops.search_commands import hit_rows, search_router
from ops.settling import wait_settled
from ops.stop_signal import Stop, stopped_by_signals
from ops.supervisor import RoleFailed, Supervisor
from schemas.changes import CatalogChange
from schemas.errors import LookaliveError, NotReady
from schemas.settings import Settings

SETTLE_S = 300.0
SHOWN_S = 20.0
CHANGE_EVERY_S = 0.7
CHANGES_ONCE = 5


def run_demo(
    settings: Settings, images: Path | None, count: int, seed: int, once: bool, environ: Mapping[str, str] | None
) -> int:
    """Start everything, run the show beside it, and watch over both; the exit status.

    The page is opened in a browser where `environ` names a display; None: never.
    """
    with stopped_by_signals() as stop:
        supervisor = Supervisor(settings, say)
        endpoints = started(supervisor, stop)
        if endpoints is None:
            return 0
        try:
            if not wait_ready(supervisor, endpoints.router, stop):
                return 0
            say_where(endpoints)
            show = Show(supervisor.settings, endpoints, stop, images, count, seed, once, environ)
            show.start()
            while show.is_alive() and not stop.wait(0.2):
                supervisor.watch_once()
            return 1 if show.failed else 0
        except RoleFailed as failure:
            speak_error(failure)
            return 1
        finally:
            stop.set()
            say("stopping")
            supervisor.stop()


class Event(Protocol):
    """A change of the catalogue, and the sentence that tells of it."""

    @property
    def sentence(self) -> str:
        """For people."""

    @property
    def change(self) -> CatalogChange:
        """For Kafka; its time is set when it is sent."""


class OwnChange(NamedTuple):
    """An event of the visitor's own catalogue."""

    sentence: str
    change: CatalogChange


class Show(threading.Thread):
    """What a visitor sees: the page, the catalogue streaming in, a search, then a catalogue that keeps changing."""

    def __init__(
        self,
        settings: Settings,
        endpoints: Endpoints,
        stop: Stop,
        images: Path | None,
        count: int,
        seed: int,
        once: bool,
        environ: Mapping[str, str] | None,
    ) -> None:
        super().__init__(name="show", daemon=True)
        self.failed = False
        self._settings, self._router, self._ending = settings, endpoints.router, stop
        self._images, self._count, self._seed, self._once = images, count, seed, once
        self._environ = environ
        self._folder = settings.data_path / "demo"
        self._pictures: dict[str, Path] = {}

    def run(self) -> None:
        """The whole show; a failure ends the demo with its sentence."""
        try:
            self._writer = CatalogWriter(kafka_of(self._settings))
            sent = self._own() if self._images is not None else self._drawn()
            self._open_page()
            self._stream_in(sent)
            self._search([change.item_id for change in sent if change.item_id in self._pictures])
            self._say_how(sent)
            drawn = self._images is None
            self._keep_changing(
                live_changes(self._items, self._folder, self._seed)
                if drawn
                else in_and_out(sent, next(iter(self._pictures), None))
            )
            self._writer.close()
        except LookaliveError as error:
            self.failed = True
            speak_error(error)

    def _drawn(self) -> list[CatalogChange]:
        with progress_bar() as bar:
            task = bar.add_task("drawing a sample catalogue", total=self._count, note="")
            self._items = draw_catalog(self._folder, self._count, self._seed, lambda: bar.advance(task))
        self._pictures = {item.item_id: item.path for item in self._items}
        return [item.change() for item in self._items]

    def _own(self) -> list[CatalogChange]:
        assert self._images is not None
        changes = [row for row in open_source(self._images) if not isinstance(row, BadRow)]
        if not changes:
            raise NotReady(f"there is no picture in {self._images}")
        local = {c.item_id: c.images[0] for c in changes if c.images and c.images[0].startswith("file:")}
        self._pictures = {item_id: Path(unquote(urlsplit(url).path)) for item_id, url in local.items()}
        return changes

    def _open_page(self) -> None:
        opened = self._environ is not None and open_page(f"{self._router}/", self._environ)
        say(f"the page to search with{', now open in your browser' if opened else ''}: {self._router}/")

    def _stream_in(self, changes: list[CatalogChange]) -> None:
        started = time.monotonic()
        with progress_bar() as bar:
            task = bar.add_task("streaming it in", total=len(changes), note="")
            for change in changes:
                self._writer.write(change)
            self._writer.flush()
            done = wait_settled(
                kafka_of(self._settings),
                SETTLE_S,
                lambda left: bar.update(task, completed=max(len(changes) - left["merge"] - left["embed"], 0)),
            )
        seconds = time.monotonic() - started
        if not done:
            raise NotReady(f"the catalogue was not searchable after {SETTLE_S:.0f} s")
        delays = sampled_delays(self._router, [change.item_id for change in changes[:1000]])
        say(f"{len(changes)} items searchable after {seconds:.1f} s; {delays.sentence()}")

    def _search(self, item_ids: list[str]) -> None:
        for item_id in item_ids[:1]:
            answer = search_router(self._router, self._pictures[item_id], None, {"k": 5})
            rows = [(*row, _ms(item_delay_ms(self._router, row[1]))) for row in hit_rows(answer)]
            title = f"which items look like {self._pictures[item_id].name}? ({answer.took_ms:.1f} ms)"
            print_table(["", "item", "score", "attributes", "event to searchable"], rows, title)

    def _say_how(self, sent: list[CatalogChange]) -> None:
        picture = shlex.quote(str(next(iter(self._pictures.values()), Path("PICTURE.jpg"))))
        put = "catalog put my-item YOUR_PICTURE.jpg --attr price=9.90 --wait"
        say("")
        say(f"search it yourself: open {self._router}/ in a browser, or from another terminal:")
        say(f"  {command_line(self._settings, f'search {picture}')}")
        wanted = example_filter(sent)
        if wanted is not None:
            say(f"  {command_line(self._settings, f'search {picture} --filter {shlex.quote(wanted)}')}")
        say(f"  curl -F image=@{picture} {self._router}/v1/search")
        say(f"  {command_line(self._settings, put)}")
        say("")

    def _keep_changing(self, events: Iterable[Event]) -> None:
        say("the catalogue keeps changing (Ctrl-C ends the demo):")
        ear = LiveEar(self._router, self._ending.is_set)
        ear.start()
        with ChangeLine(each=self._once) as line:
            for number, event in enumerate(events):
                if self._ending.wait(CHANGE_EVERY_S) or (self._once and number >= CHANGES_ONCE):
                    return
                change = msgspec.structs.replace(event.change, time_us=now_us())
                self._writer.write(change)
                self._writer.flush()
                delay_ms = ear.delay_ms(change, SHOWN_S)
                if not self._ending.is_set():
                    line.tell(event.sentence, change.op == "delete", delay_ms)


def example_filter(catalog: list[CatalogChange]) -> str | None:
    """A filter that the first items with attributes pass, as JSON; None where no item has any.

    Prices and stock where there are, else one text, number or truth of the first item that has one.
    """
    attributes = [change.attributes for change in catalog if change.attributes]
    if attributes and {"in_stock", "price"} <= attributes[0].keys():
        return '{"in_stock": true, "price": {"lt": 50}}'
    for values in attributes:
        for name, value in values.items():
            if isinstance(value, str | int | float):
                return msgspec.json.encode({name: value}).decode()
    return None


def in_and_out(catalog: list[CatalogChange], spared: str | None) -> Iterator[Event]:
    """Endless changes of a catalogue that is not ours to draw: every item is withdrawn once and comes back.

    All but the one that the printed examples search for, unless it is alone.
    """
    for change in itertools.cycle([change for change in catalog if change.item_id != spared] or catalog):
        yield OwnChange(f"withdrew {change.item_id}", CatalogChange(op="delete", item_id=change.item_id))
        yield OwnChange(f"{change.item_id} is back", msgspec.structs.replace(change, version=None))


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.0f} ms"
