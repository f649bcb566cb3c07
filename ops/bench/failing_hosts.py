"""What pictures on hosts that hang or fail cost all others: their freshness, beside that of the same load without.

The whole system runs in processes of its own, with the embedded broker. Pictures are drawn beforehand and served by
three web servers on this machine; one in ten items names the one that hangs, one in ten the one that answers 500.
"""

import io
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from random import Random
from typing import NamedTuple

import msgspec
from PIL import Image, ImageDraw

from ops.bench.picture_server import PictureServer
from ops.bench.report import Row, row
from ops.catalog_writer import CatalogWriter
from ops.freshness import Delays, sampled_delays
from ops.running import wait_ready
from ops.stop_signal import Stop
from ops.supervisor import Supervisor, replace_in
from schemas.changes import CatalogChange
from schemas.errors import NotReady
from schemas.settings import Settings

BOUND = 1.5
SHARE = 10
WARM_UP = 50
FOUND_S = 120.0
POLL_S = 0.2
SIDE = 256


class HostsPlan(NamedTuple):
    """How much is loaded: items per round, per second, and rounds of each kind, taken in turn."""

    items: int
    per_second: float
    rounds: int
    seed: int
    settings: Settings


class Hosts(NamedTuple):
    """The three servers."""

    well: PictureServer
    hanging: PictureServer
    failing: PictureServer

    def url(self, number: int, name: str, with_failing: bool) -> str:
        """Where the picture of an item lies."""
        kind = number % SHARE if with_failing else SHARE
        host = self.hanging if kind == 0 else self.failing if kind == 1 else self.well
        return f"{host.url}/{name}.jpg"


def bench_hosts(plan: HostsPlan, say: Callable[[str], None] = lambda line: None) -> list[Row]:
    """Load rounds without and with failing hosts in turn, and compare the delays of items on the host that is well.

    Raises:
        NotReady: the system does not start, or items of the host that is well are not found.
    """
    delays: dict[bool, list[Delays]] = {False: [], True: []}
    with ExitStack() as held:
        hosts = held.enter_context(_hosts(plan.seed))
        router, writer = held.enter_context(_system(plan))
        _round(router, writer, hosts, plan._replace(items=WARM_UP), "warm", False)
        for number in range(plan.rounds):
            for failing in (False, True):
                name = f"{'failing' if failing else 'alone'}-{number}"
                delays[failing].append(_round(router, writer, hosts, plan, name, failing))
                say(f"{name}: {delays[failing][-1].sentence()}")
        answers = {name: sum(getattr(hosts, name).answers.values()) for name in Hosts._fields}
    return [*_rows(delays), row("requests answered by the failing host", answers["failing"], "requests")]


def _rows(delays: dict[bool, list[Delays]]) -> list[Row]:
    """The middle round of each kind."""
    rows = []
    for name in ("p50_ms", "p95_ms", "max_ms"):
        alone, beside = (sorted(getattr(d, name) for d in delays[failing]) for failing in (False, True))
        rows.append(
            row(
                f"event to searchable, {name.removesuffix('_ms')}, beside failing hosts / without",
                beside[len(beside) // 2],
                "ms",
                baseline=alone[len(alone) // 2],
                at_most=None if name == "max_ms" else BOUND,
            )
        )
    return rows


def _round(router: str, writer: CatalogWriter, hosts: Hosts, plan: HostsPlan, name: str, failing: bool) -> Delays:
    """Write items at an even pace; the delays of all that lie on the host that is well, once they are found."""
    begun_s, well = time.monotonic(), []
    for number in range(plan.items):
        item_id = f"{name}-{number}"
        url = hosts.url(number, item_id, failing)
        if url.startswith(hosts.well.url):
            well.append(item_id)
        writer.write(CatalogChange(op="upsert", item_id=item_id, images=(url,)))
        time.sleep(max(0.0, begun_s + (number + 1) / plan.per_second - time.monotonic()))
    writer.flush()
    deadline_s = time.monotonic() + FOUND_S
    while (found := sampled_delays(router, well)).found < len(well):
        if time.monotonic() > deadline_s:
            raise NotReady(f"{len(well) - found.found} of {len(well)} items were not found within {FOUND_S:.0f} s")
        time.sleep(POLL_S)
    return found


@contextmanager
def _hosts(seed: int) -> Iterator[Hosts]:
    def picture(path: str) -> bytes:
        return drawn(f"{seed}{path}")

    hosts = Hosts(PictureServer(picture), PictureServer(picture, "hanging"), PictureServer(picture, "failing"))
    try:
        yield hosts
    finally:
        for host in hosts:
            host.close()


@contextmanager
def _system(plan: HostsPlan) -> Iterator[tuple[str, CatalogWriter]]:
    """`up` with a data folder of its own that goes with it."""
    with tempfile.TemporaryDirectory(prefix="lookalive-hosts-") as folder:
        settings = msgspec.structs.replace(plan.settings, data_dir=folder)
        settings = replace_in(settings, "router", port=0)
        settings = replace_in(settings, "images", allow_networks=("127.0.0.1/32",))
        supervisor = Supervisor(settings, lambda line: None)
        endpoints = supervisor.start()
        try:
            wait_ready(supervisor, endpoints.router, Stop())
            writer = CatalogWriter(supervisor.settings.kafka)
            try:
                yield endpoints.router, writer
            finally:
                writer.close()
        finally:
            supervisor.stop()


def drawn(seed: str) -> bytes:
    """A JPEG of a few shapes that only this seed gives."""
    chance = Random(seed)  # noqa: S311  a drawing, not a secret
    image = Image.new("RGB", (SIDE, SIDE), _colour(chance))
    pen = ImageDraw.Draw(image)
    for _ in range(8):
        x, y = chance.randrange(SIDE), chance.randrange(SIDE)
        shape = pen.ellipse if chance.random() < 0.5 else pen.rectangle
        shape((x, y, x + chance.randrange(8, SIDE), y + chance.randrange(8, SIDE)), fill=_colour(chance))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=88)
    return out.getvalue()


def _colour(chance: Random) -> tuple[int, int, int]:
    return (chance.randrange(256), chance.randrange(256), chance.randrange(256))
