"""Sending a whole source of items as changes: paced, shown, and followed until searchable when asked."""

import itertools
import time
from pathlib import Path

import msgspec
from rich.progress import Progress, TaskID

from ops.catalog_sources import BadRow, open_source
from ops.catalog_writer import CatalogWriter
from ops.console import err
from ops.endpoints import kafka_of, router_of
from ops.freshness import Delays, sampled_delays
from ops.reject_log import read_rejects, reject_ends
from ops.settling import wait_settled
from schemas.settings import KafkaSettings, Settings

SHOWN_BAD_ROWS = 10
SAMPLED_ITEMS, COUNTED_REJECTS = 500, 1_000_000


class LoadSummary(msgspec.Struct, kw_only=True):
    """What a load did; `rejected` counts what was refused until it settled, None where that was not waited for.

    `delays` are of a sample of its items, once they are searchable.
    """

    sent: int = 0
    bad_rows: int = 0
    seconds: float = 0.0
    items_per_s: float = 0.0
    settled: bool = False
    rejected: int | None = None
    dry_run: bool = False
    delays: Delays | None = None

    def sentence(self) -> str:
        """The summary for people."""
        verb = "would send" if self.dry_run else "sent"
        words = [f"{verb} {self.sent} items in {self.seconds:.1f} s ({self.items_per_s:.0f}/s)"]
        if self.bad_rows:
            words.append(f"{self.bad_rows} rows could not be read")
        if self.settled:
            words.append("everything is through")
        if self.rejected:
            words.append(f"{self.rejected} rejected (see `lookalive catalog rejects`)")
        if self.delays is not None and self.delays.found:
            words.append(self.delays.sentence())
        return "; ".join(words)


def load_source(
    settings: Settings,
    path: Path,
    progress: Progress,
    *,
    limit: int | None = None,
    rate_per_s: float | None = None,
    dry_run: bool = False,
    wait_s: float = 0.0,
) -> LoadSummary:
    """Send every item of a source; with `wait_s`, follow until the shards have applied everything.

    Raises:
        InputError: the source cannot be read.
        NotReady: Kafka does not take the changes.
    """
    source = open_source(path)
    total = source.count()
    task = progress.add_task("sending", total=total if limit is None else min(limit, total or limit), note="")
    summary, sample = LoadSummary(dry_run=dry_run), list[str]()
    kafka = settings.kafka if dry_run else kafka_of(settings)
    writer = None if dry_run else CatalogWriter(kafka)
    rejects_before = reject_ends(kafka) if wait_s > 0 and not dry_run else None
    started = time.monotonic()
    for row in itertools.islice(source, limit):
        progress.advance(task)
        if isinstance(row, BadRow):
            _say_bad_row(row, summary)
            continue
        if writer is not None:
            writer.write(row)
        summary.sent += 1
        if row.op == "upsert" and len(sample) < SAMPLED_ITEMS:
            sample.append(row.item_id)
        if rate_per_s is not None:
            time.sleep(max(0.0, started + summary.sent / rate_per_s - time.monotonic()))
    if writer is not None:
        writer.close()
    if writer is not None and wait_s > 0:
        _follow(kafka, progress, summary, wait_s)
    summary.seconds = time.monotonic() - started
    summary.items_per_s = summary.sent / max(summary.seconds, 1e-9)
    if summary.settled:
        summary.rejected = len(read_rejects(kafka, COUNTED_REJECTS, since=rejects_before))
        summary.delays = sampled_delays(router_of(settings), sample)
    return summary


def _follow(kafka: KafkaSettings, progress: Progress, summary: LoadSummary, wait_s: float) -> None:
    task: TaskID | None = None
    most = 0

    def look(left: dict[str, int]) -> None:
        nonlocal task, most
        now = sum(left.values())
        most = max(most, now)
        if task is None:
            task = progress.add_task("applying", total=most, note="")
        note = ", ".join(f"{count} to {stage}" for stage, count in left.items() if count)
        progress.update(task, total=most, completed=most - now, note=note)

    summary.settled = wait_settled(kafka, wait_s, look)


def _say_bad_row(row: BadRow, summary: LoadSummary) -> None:
    summary.bad_rows += 1
    if summary.bad_rows <= SHOWN_BAD_ROWS:
        err.print(f"row {row.row}: {row.message}", highlight=False, markup=False)
