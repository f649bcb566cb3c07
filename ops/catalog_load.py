"""Sending a whole source of items as changes: paced, shown, resumed after a kill, and followed until searchable."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from ops.catalog_sources import BadRow, CatalogSource, open_source
from ops.catalog_writer import CatalogWriter, now_us
from ops.console import err
from ops.endpoints import kafka_of, router_of
from ops.freshness import sampled_delays
from ops.load_display import LoadDisplay
from ops.load_lag import LagMeter
from ops.load_pacer import LoadPacer
from ops.load_progress import LoadProgress, ProgressFile
from ops.load_summary import LoadPlan, LoadSummary
from ops.pruning import Candidates, delete_items, missing_items, parse_scope
from ops.reject_log import read_rejects, reject_ends
from ops.remote_source import fetch_source, is_remote
from ops.settling import wait_settled
from schemas.changes import CatalogChange
from schemas.cluster_log import read_cluster
from schemas.errors import InputError, NotReady
from schemas.settings import KafkaSettings, Settings

SHOWN_BAD_ROWS, KEPT_BAD_ROWS = 10, 100
SAMPLED_ITEMS, COUNTED_REJECTS, SHOWN_REJECTS = 500, 1_000_000, 3
SAVE_EVERY_S, SAVE_EVERY_ROWS = 1.0, 20_000
Agree = Callable[[Candidates], bool]
"""Asked before items are deleted."""


class Loader:
    """One load. The source is read in its order; what the broker has acknowledged is noted every second."""

    def __init__(self, settings: Settings, plan: LoadPlan, display: LoadDisplay) -> None:
        self._settings, self._plan, self._display = settings, plan, display
        self.kafka: KafkaSettings | None = None
        self._pacer: LoadPacer | None = None
        self._state = LoadProgress(source=plan.source, started_us=now_us())
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
        state = self._state = self._begun(file)
        self.summary.resumed_at = self._noted_row = state.row
        rejects_before = reject_ends(self.kafka) if self.kafka is not None and plan.wait_s > 0 else None
        writer = None if plan.dry_run or self.kafka is None else self._writer(self.kafka)
        try:
            self._send(source, writer, file)
            if plan.prune:
                assert self.kafka is not None
                found = missing_items(self.kafka, self._named(source), scope, state.started_us)
                self._prune(found, writer, agree)
        finally:
            if self._pacer is not None:
                self._pacer.stop()
            if writer is not None:
                writer.close()
        state.done = self._sent_all = True
        if file is not None:
            file.write(state)
        self._finish(rejects_before)
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

    def _writer(self, kafka: KafkaSettings) -> CatalogWriter:
        """A writer, and the pacer that looks how far behind the readers are."""
        writer = CatalogWriter(kafka)
        self._pacer = LoadPacer(
            LagMeter(kafka).look, writer.unacknowledged, enforced=self._plan.paced, on_wait=self._show
        )
        self._pacer.start()
        return writer

    def _send(self, source: CatalogSource, writer: CatalogWriter | None, file: ProgressFile | None) -> None:
        plan, state, total = self._plan, self._state, source.count()
        shown = total if plan.limit is None else min(plan.limit, total or plan.limit)
        self._display.begin("checking" if writer is None else "sending", shown, state.row)
        sent_before, began_s = state.sent, time.monotonic()
        for number, row in source.rows(after=state.row):
            if plan.limit is not None and number > plan.limit:
                break
            if isinstance(row, BadRow):
                self._say_bad_row(row)
            else:
                self._send_one(row, writer)
                if plan.rate_per_s is not None:
                    due = began_s + (state.sent - sent_before) / plan.rate_per_s
                    time.sleep(max(0.0, due - time.monotonic()))
            state.row = number
            if writer is not None and file is not None:
                self._save(writer, file)
            self._show()
        if writer is not None:
            writer.flush()
        self._display.end(state.row, self._note())
        self.summary.sent = state.sent - sent_before

    def _send_one(self, row: CatalogChange, writer: CatalogWriter | None) -> None:
        if writer is not None:
            assert self._pacer is not None
            self._pacer.wait()
            writer.write(row)
        self._state.sent += 1
        if row.op == "upsert" and len(self._sample) < SAMPLED_ITEMS:
            self._sample.append(row.item_id)

    def _show(self) -> None:
        """The rows so far and how many are applied, not more often than they can be read."""
        if self._display.due():
            self._display.show(self._state.row, self._note())

    def _note(self) -> str:
        return "" if self._pacer is None else self._pacer.words(self._state.sent)

    def _save(self, writer: CatalogWriter, file: ProgressFile) -> None:
        state = self._state
        if time.monotonic() - self._saved < SAVE_EVERY_S and state.row % SAVE_EVERY_ROWS:
            return
        writer.flush()
        file.write(state)
        self._saved = time.monotonic()
        self._noted_row = state.row

    def _say_bad_row(self, row: BadRow) -> None:
        state = self._state
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

    def _prune(self, found: Candidates, writer: CatalogWriter | None, agree: Agree) -> None:
        self.summary.pruned = 0
        if not found.all_seen:
            err.print("the embedded broker no longer has the states of all items: some that are gone may be left")
        if found.too_new:
            err.print(f"{found.too_new} items are not in the source but were changed since the load began: they stay")
        if writer is None:
            agree(found)
            self.summary.pruned = len(found.item_ids)
        elif found.item_ids and agree(found):
            assert self._pacer is not None
            delete_items(writer, self._pacer.paced(found.item_ids), self._state.started_us)
            self.summary.pruned = len(found.item_ids)

    def _finish(self, rejects_before: dict[int, int] | None) -> None:
        summary, state = self.summary, self._state
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

    def _begun(self, file: ProgressFile | None) -> LoadProgress:
        held = None if file is None or self._plan.restart else file.read()
        if held is None:
            return self._state
        err.print(
            f"going on behind row {held.row}, where an earlier run ended; --restart begins at the first row",
            soft_wrap=True,
        )
        return held

    def _follow(self, kafka: KafkaSettings) -> None:
        most = 0

        def look(left: dict[str, int]) -> None:
            nonlocal most
            now = sum(left.values())
            if not most:
                self._display.begin("applying all that is under way", now)
            most = max(most, now)
            if self._display.due():
                note = ", ".join(f"{count} to {stage}" for stage, count in left.items() if count)
                self._display.show(most - now, note, total=most)

        self.summary.settled = wait_settled(kafka, self._plan.wait_s, look)
