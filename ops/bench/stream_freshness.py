"""How fresh the index is at given rates of changes: the whole system, and what its nodes counted.

Changes are sent in an open loop, each at its time (`ops.bench.open_loop`): seven in ten are patches, two are upserts
whose picture stays, one brings a new picture. What the system cannot keep up with shows in the percentiles, and in the
seconds that it needed after the last change was sent.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

import msgspec

from ops.bench.open_loop import WallClock, poisson_times, run_open_loop
from ops.bench.report import Row, row
from ops.bench.stream_changes import ITEMS, changes, seed_changes
from ops.catalog_writer import CatalogWriter
from ops.running import wait_ready
from ops.settling import wait_settled
from ops.stop_signal import Stop
from ops.supervisor import Supervisor, replace_in
from ops.watch_freshness import ALL_KINDS, FreshnessMeter, StageRow
from schemas.changes import CatalogChange
from schemas.errors import NotReady
from schemas.settings import KafkaSettings, Settings

P50_MS, P99_MS, JUDGED_RATE = 300.0, 1000.0, 100
NEW_PICTURES, SAME_PICTURES = 0.1, 0.2
SETTLE_S, KEPT_UP_S = 300.0, 2.0


def bench_freshness(
    settings: Settings, rates: list[int], seconds: float, seed: int, say: Callable[[str], None]
) -> list[Row]:
    """Percentiles by stage at each rate, one after the other on the same system.

    Raises:
        NotReady: the system does not start, or never ends what it was sent.
    """
    rows: list[Row] = []
    with _system(settings) as kafka:
        writer = CatalogWriter(kafka)
        try:
            for change in seed_changes(seed):
                writer.write(change)
            writer.flush()
            _settle(kafka)
            for rate in rates:
                rows += _round(kafka, writer, rate, seconds, seed)
                say(f"{rows[-1].measure} {rows[-1].value:.1f} s")
        finally:
            writer.close()
    return rows


def _round(kafka: KafkaSettings, writer: CatalogWriter, rate: int, seconds: float, seed: int) -> list[Row]:
    batch = list(mixed(round(rate * seconds), seed + rate))
    meter = FreshnessMeter(kafka)
    loop = run_open_loop(
        poisson_times(rate, seconds, seed), lambda n: writer.write(batch[n]), WallClock(), time.perf_counter()
    )
    writer.flush()
    behind_s = _settle(kafka)
    stages = meter.stages()
    rows = [row(f"{rate}/s: sent", loop.per_second, "changes per second")]
    for stage in stages:
        if stage.stage != "total" and stage.kind == ALL_KINDS:
            rows += _percentiles(rate, stage, f"{stage.stage}", judged=False)
    rows += [
        found
        for stage in stages
        if stage.stage == "total"
        for found in _percentiles(
            rate,
            stage,
            "event to searchable" + ("" if stage.kind == ALL_KINDS else f", {stage.kind}"),
            judged=rate == JUDGED_RATE and stage.kind == ALL_KINDS,
        )
    ]
    kept = "kept up" if behind_s <= KEPT_UP_S else "could NOT keep up"
    return [*rows, row(f"{rate}/s: {kept}: settled after the last change", behind_s, "s")]


def _percentiles(rate: int, stage: StageRow, name: str, *, judged: bool) -> list[Row]:
    limits = {"p50": P50_MS, "p95": None, "p99": P99_MS}
    values = {"p50": stage.p50_ms, "p95": stage.p95_ms, "p99": stage.p99_ms}
    return [
        row(f"{rate}/s: {name}, {percentile}", value, "ms", at_most=limits[percentile] if judged else None)
        for percentile, value in values.items()
        if value is not None
    ]


def _settle(kafka: KafkaSettings) -> float:
    """Seconds until nothing was on its way any more; positions are committed twice a second."""
    begun_s = time.monotonic()
    if not wait_settled(kafka, SETTLE_S):
        raise NotReady(f"changes were still on their way after {SETTLE_S:.0f} s")
    return time.monotonic() - begun_s


@contextmanager
def _system(settings: Settings) -> Iterator[KafkaSettings]:
    """`up` with a data folder of its own that goes with it."""
    with tempfile.TemporaryDirectory(prefix="lookalive-freshness-") as folder:
        settings = replace_in(msgspec.structs.replace(settings, data_dir=folder), "model", name="fake")
        supervisor = Supervisor(replace_in(settings, "router", port=0), lambda line: None)
        endpoints = supervisor.start()
        try:
            wait_ready(supervisor, endpoints.router, Stop())
            yield supervisor.settings.kafka
        finally:
            supervisor.stop()


def mixed(count: int, seed: int) -> Iterator[CatalogChange]:
    """That many changes of seeded items, in the shares of a shop's day."""
    chance = Random(seed)  # noqa: S311  a load, not a secret
    patches, same, new = (changes(kind, count, seed) for kind in ("patch", "same picture", "new picture"))
    for _ in range(count):
        drawn = chance.random()
        change = next(new if drawn < NEW_PICTURES else same if drawn < NEW_PICTURES + SAME_PICTURES else patches)
        yield msgspec.structs.replace(change, item_id=f"sku-{chance.randrange(ITEMS)}")
