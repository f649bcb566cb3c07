"""Sending a whole source of items as changes: paced, shown, resumed after a kill, and followed until searchable."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from rich.progress import Progress, TaskID

from ops.catalog_sources import BadRow, CatalogSource, open_source
from ops.catalog_writer import CatalogWriter, now_us
from ops.console import err
from ops.endpoints import kafka_of, router_of
from ops.freshness import Delays, sampled_delays
from ops.load_progress import LoadProgress, ProgressFile
from ops.pruning import Candidates, delete_items, missing_items, parse_scope
from ops.reject_log import read_rejects, reject_ends
from ops.remote_source import fetch_source, is_remote
from ops.settling import wait_settled
from ops.sources.row_shape import PLAIN, RowShape
from schemas.cluster_log import read_cluster
from schemas.errors import InputError, NotReady
from schemas.settings import KafkaSettings, Settings

SHOWN_BAD_ROWS, KEPT_BAD_ROWS = 10, 100
SAMPLED_ITEMS, COUNTED_REJECTS, SHOWN_REJECTS = 500, 1_000_000, 3
SAVE_EVERY_S, SAVE_EVERY_ROWS = 1.0, 20_000
Agree = Callable[[Candidates], bool]
"""Asked before items are deleted."""


class LoadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to load and how. `prune` deletes what the source no longer has, within `prune_scope`."""

    source: str
    shape: RowShape = PLAIN
    limit: int | None = None
    rate_per_s: float | None = None
    strict: bool = False
    restart: bool = False
    prune: bool = False
    prune_scope: str | None = None
    dry_run: bool = False
    wait_s: float = 0.0


class LoadSummary(msgspec.Struct, kw_only=True):
    """What a load did; `rejected` counts what was refused until it settled, None where that was not waited for.

    `refused` are the newest of those in words, `bad` the first bad rows. `resumed_at` is the row behind which it went
    on; `delays` are of a sample of its items, once they are searchable.
    """

    sent: int = 0
    bad_rows: int = 0
    bad: list[str] = []
    resumed_at: int = 0
    pruned: int | None = None
    seconds: float = 0.0
    items_per_s: float = 0.0
    settled: bool = False
    rejected: int | None = None
    dry_run: bool = False
    refused: list[str] = []
    delays: Delays | None = None

    def sentence(self) -> str:
        """The summary for people."""
        verb = "would send" if self.dry_run else "sent"
        words = [f"{verb} {counted(self.sent, 'item')} in {self.seconds:.1f} s ({self.items_per_s:.0f}/s)"]
        if self.resumed_at:
            words.append(f"went on behind row {self.resumed_at}, where an earlier run ended")
        if self.bad_rows:
            words.append(f"{counted(self.bad_rows, 'row')} could not be read")
        if self.pruned is not None:
            were = "would be" if self.dry_run else "was" if self.pruned == 1 else "were"
            words.append(f"{counted(self.pruned, 'item')} {were} deleted")
        if self.settled:
            words.append("everything is through")
        if self.rejected:
            words.append(f"{self.rejected} rejected (see `lookalive catalog rejects`)")
        if self.delays is not None and self.delays.found:
            words.append(self.delays.sentence())
        return "; ".join(words)


def counted(count: int, noun: str) -> str:
    """`1 item`, `2 items`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


class Loader:
    """One load. The source is read in its order; what the broker has acknowledged is noted every second."""

    def __init__(self, settings: Settings, plan: LoadPlan, progress: Progress) -> None:
        self._settings, self._plan, self._progress = settings, plan, progress
        self.kafka: KafkaSettings | None = None
        self._noted_row, self._sent_all = 0, False
        self._sample: list[str] = []
        self._started = self._saved = time.monotonic()
        self.summary = LoadSummary(dry_run=plan.dry_run)

    def run(self, agree: Agree) -> LoadSummary:
        """Load, prune and follow, as planned.

        Raises:
            InputError: the source cannot be read; a row is bad and the load is strict; nothing may be pruned.
            NotReady: Kafka does not take the changes.
        """
        plan = self._plan
        shape, path = plan.shape, Path(plan.source)
        if is_remote(plan.source):
            fetched = fetch_source(plan.source, self._settings.data_path)
            path, shape = fetched.path, msgspec.structs.replace(shape, base=shape.base or fetched.base)
        scope = parse_scope(plan.prune_scope)
        source = open_source(path, shape)
        if left_out := source.left_out():
            err.print(left_out, highlight=False, markup=False, soft_wrap=True)
        if not plan.dry_run or plan.prune:
            self.kafka = kafka_of(self._settings)
        file = None if plan.dry_run else self._progress_file(source)
        state = self._state(file)
        self.summary.resumed_at = self._noted_row = state.row
        rejects_before = reject_ends(self.kafka) if self.kafka is not None and plan.wait_s > 0 else None
        writer = None if plan.dry_run or self.kafka is None else CatalogWriter(self.kafka)
        try:
            self._send(source, writer, file, state)
            if plan.prune:
                assert self.kafka is not None
                found = missing_items(self.kafka, self._named(source), scope, state.started_us)
                self._prune(found, writer, state, agree)
        finally:
            if writer is not None:
                writer.close()
        state.done = self._sent_all = True
        if file is not None:
            file.write(state)
        self._finish(state, rejects_before)
        return self.summary

    def how_to_go_on(self) -> str:
        """What a run that is cut off now has done, for the one who cut it off."""
        if self._plan.dry_run:
            return "stopped; nothing was sent"
        if self._sent_all:
            return "stopped; everything was sent, and goes on being applied"
        if not self._noted_row:
            return "stopped; the same command begins again at the first row"
        return f"stopped behind row {self._noted_row}; the same command goes on there"

    def _send(
        self, source: CatalogSource, writer: CatalogWriter | None, file: ProgressFile | None, state: LoadProgress
    ) -> None:
        plan, total = self._plan, source.count()
        shown = total if plan.limit is None else min(plan.limit, total or plan.limit)
        self._progress.start()
        verb = "checking" if writer is None else "sending"
        task = self._progress.add_task(verb, total=shown, completed=state.row, note="")
        sent_before, began_s = state.sent, time.monotonic()
        for number, row in source.rows(after=state.row):
            if plan.limit is not None and number > plan.limit:
                break
            state.row = number
            self._progress.advance(task)
            if isinstance(row, BadRow):
                self._say_bad_row(row, state)
                continue
            if writer is not None:
                writer.write(row)
            state.sent += 1
            if row.op == "upsert" and len(self._sample) < SAMPLED_ITEMS:
                self._sample.append(row.item_id)
            if plan.rate_per_s is not None:
                due = began_s + (state.sent - sent_before) / plan.rate_per_s
                time.sleep(max(0.0, due - time.monotonic()))
            if writer is not None and file is not None:
                self._save(writer, file, state)
        if writer is not None:
            writer.flush()
        self.summary.sent = state.sent - sent_before

    def _save(self, writer: CatalogWriter, file: ProgressFile, state: LoadProgress) -> None:
        if time.monotonic() - self._saved < SAVE_EVERY_S and state.row % SAVE_EVERY_ROWS:
            return
        writer.flush()
        file.write(state)
        self._saved = time.monotonic()
        self._noted_row = state.row

    def _say_bad_row(self, row: BadRow, state: LoadProgress) -> None:
        state.bad_rows += 1
        said = f"{row.where}: {row.message}"
        if self._plan.strict:
            raise InputError(f"{said}; nothing behind it was sent (--strict)", code="bad_row", row=row.row)
        if state.bad_rows <= KEPT_BAD_ROWS:
            state.bad.append(said)
        if state.bad_rows <= SHOWN_BAD_ROWS:
            err.print(said, highlight=False, markup=False, soft_wrap=True)

    def _named(self, source: CatalogSource) -> set[str]:
        """Every item of the source, also of the rows that an earlier run has sent.

        Raises:
            InputError: some rows could not be read, so that nobody knows which items they are.
        """
        named: set[str] = set()
        bad = 0
        for _, row in source.rows():
            if isinstance(row, BadRow):
                bad += 1
            elif row.op != "delete":
                named.add(row.item_id)
        if bad:
            raise InputError(
                f"nothing was deleted: {bad} rows of the source could not be read, and the items they stand for would "
                "be taken for missing; mend them and load again",
                code="bad_rows",
            )
        return named

    def _prune(self, found: Candidates, writer: CatalogWriter | None, state: LoadProgress, agree: Agree) -> None:
        self.summary.pruned = 0
        if not found.all_seen:
            err.print("the embedded broker no longer has the states of all items: some that are gone may be left")
        if found.too_new:
            err.print(f"{found.too_new} items are not in the source but were changed since the load began: they stay")
        if writer is None:
            agree(found)
            self.summary.pruned = len(found.item_ids)
        elif found.item_ids and agree(found):
            delete_items(writer, found.item_ids, state.started_us)
            self.summary.pruned = len(found.item_ids)

    def _finish(self, state: LoadProgress, rejects_before: dict[int, int] | None) -> None:
        summary = self.summary
        if self.kafka is not None and self._plan.wait_s > 0 and not self._plan.dry_run:
            self._follow(self.kafka)
        summary.seconds = time.monotonic() - self._started
        summary.items_per_s = summary.sent / max(summary.seconds, 1e-9)
        summary.bad_rows, summary.bad = state.bad_rows, state.bad
        if summary.settled and self.kafka is not None:
            rejects = read_rejects(self.kafka, COUNTED_REJECTS, since=rejects_before)
            summary.rejected = len(rejects)
            summary.refused = [f"{r.item_id}: {r.message} ({r.reason})" for r in rejects[:SHOWN_REJECTS]]
            summary.delays = sampled_delays(router_of(self._settings), self._sample)

    def _progress_file(self, source: CatalogSource) -> ProgressFile:
        """Of another log, other contents, or other options than before, there is nothing to go on with."""
        assert self.kafka is not None
        installation = read_cluster(self.kafka).installation
        if installation is None:
            raise NotReady("this Kafka holds no lookalive installation yet: start `lookalive up` with it first")
        plan = self._plan
        name = plan.source if is_remote(plan.source) else str(Path(plan.source).absolute())
        shape = msgspec.json.encode(plan.shape).decode()
        parts = (name, source.fingerprint(), shape, str(plan.limit), installation.log_id)
        return ProgressFile(self._settings.data_path, parts)

    def _state(self, file: ProgressFile | None) -> LoadProgress:
        held = None if file is None or self._plan.restart else file.read()
        if held is None:
            return LoadProgress(source=self._plan.source, started_us=now_us())
        err.print(
            f"going on behind row {held.row}, where an earlier run ended; --restart begins at the first row",
            soft_wrap=True,
        )
        return held

    def _follow(self, kafka: KafkaSettings) -> None:
        task: TaskID | None = None
        most = 0

        def look(left: dict[str, int]) -> None:
            nonlocal task, most
            now = sum(left.values())
            most = max(most, now)
            if task is None:
                self._progress.start()
                task = self._progress.add_task("applying all that is under way", total=most, note="")
            note = ", ".join(f"{count} to {stage}" for stage, count in left.items() if count)
            self._progress.update(task, total=most, completed=most - now, note=note)

        self.summary.settled = wait_settled(kafka, self._plan.wait_s, look)
