"""`lookalive bench runbook`: a shard driven through a runbook, with its recall at every search.

The truth of each search is found by brute force over what lives at that step. The metric is the inner product of unit
vectors: data made for the Euclidean distance is brought to unit length first, which keeps its neighbours only where its
lengths are alike, so that figures are comparable between runs of this program and not with others' of the same data.
"""

import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from ops.bench.isolation import in_fresh_process
from ops.bench.report import Row, row
from ops.bench.runbook import Delete, Insert, Replace, Runbook, Search, Step, read_runbook
from ops.bench.shard_driver import Change, ShardDriver
from ops.bench.vectors import Float32Array, Int64Array, as_sent, exact_neighbours, read_vectors, recall
from ops.console import progress_bar
from schemas.errors import InputError
from schemas.settings import IndexSettings

K = 10
QUERIES = 1000
APPLIED_AT_ONCE = 2_000


class RunbookPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to run on what; without a file of queries, rows of the data that the runbook leaves alone are asked."""

    runbook: Path
    vectors: Path
    queries: Path | None = None
    dataset: str | None = None
    seed: int = 1
    index: IndexSettings = IndexSettings()


class Searched(NamedTuple):
    """One search step: its number, recall at 10, queries per second, and how many vectors lived."""

    step: int
    recall: float
    per_second: float
    alive: int


def bench_runbook(plan: RunbookPlan) -> list[Row]:
    """The rows of every search step, measured in a process of its own.

    Raises:
        InputError: a file cannot be read, or the vectors are fewer than the runbook needs.
    """
    return in_fresh_process(run_runbook, plan)


def run_runbook(plan: RunbookPlan) -> list[Row]:
    """The same in this process."""
    runbook = read_runbook(plan.runbook, plan.dataset)
    rows, queries = _vectors(plan, runbook)
    with tempfile.TemporaryDirectory(prefix="lookalive-bench-") as folder:
        run = Run(ShardDriver(Path(folder), rows.shape[1], plan.index), rows, queries, runbook.tags)
        try:
            with progress_bar() as progress:
                task = progress.add_task(runbook.dataset, total=len(runbook.steps), note="")
                for number, step in enumerate(runbook.steps, start=1):
                    progress.update(task, advance=1, note=type(step).__name__.lower())
                    run.take(number, step)
        finally:
            run.close()
    return run.rows()


class Run:
    """One shard on its way through a runbook; `tag_row` has the row that lives under each tag, -1 for none."""

    def __init__(self, driver: ShardDriver, rows: Float32Array, queries: Float32Array, tags: int) -> None:
        self.searched: list[Searched] = []
        self.tag_row: Int64Array = np.full(tags, -1, np.int64)
        self._driver, self._pool, self._queries = driver, rows, queries
        self._applied = self._compactions = 0
        self._applying_s = self._compacting_s = 0.0
        driver.shard.serve()

    def take(self, number: int, step: Step) -> None:
        """Do one step."""
        match step:
            case Insert():
                self._put(range(step.start, step.end), range(step.start, step.end))
            case Replace():
                self._put(range(step.tags_start, step.tags_end), range(step.ids_start, step.ids_end))
            case Delete():
                self._drop(range(step.start, step.end))
            case Search():
                self.searched.append(self._search(number))

    def rows(self) -> list[Row]:
        """What was measured: recall and rate of each search, then the whole."""
        rows: list[Row] = []
        for s in self.searched:
            rows.append(row(f"step {s.step}: recall@10", s.recall, "share"))
            rows.append(row(f"step {s.step}: search rate", s.per_second, "queries/s"))
            rows.append(row(f"step {s.step}: vectors alive", s.alive, "count"))
        if self.searched:
            recalls = [s.recall for s in self.searched]
            rows.append(row("recall@10, mean of all searches", float(np.mean(recalls)), "share"))
            rows.append(row("recall@10, worst search", min(recalls), "share"))
        if self._applied:
            rows.append(row("changes applied and drained", self._applied / self._applying_s, "changes/s"))
        rows.append(row("compactions", self._compactions, "count"))
        rows.append(row("time compacting", self._compacting_s, "s"))
        return rows

    def close(self) -> None:
        """Stop the shard."""
        self._driver.close()

    def _put(self, tags: range, ids: range) -> None:
        pairs = list(zip(tags, ids, strict=True))
        for at in range(0, len(pairs), APPLIED_AT_ONCE):
            block = pairs[at : at + APPLIED_AT_ONCE]
            self._apply([self._driver.upsert(tag, self._pool[row], picture=row) for tag, row in block])
        self.tag_row[tags.start : tags.stop] = np.arange(ids.start, ids.stop)

    def _drop(self, tags: range) -> None:
        """Runbooks delete ranges that are partly gone already."""
        living = [tag for tag in tags if self.tag_row[tag] >= 0]
        self._apply([self._driver.delete(tag) for tag in living])
        self.tag_row[tags.start : tags.stop] = -1

    def _apply(self, changes: list[Change]) -> None:
        started_s = time.perf_counter()
        self._driver.apply_and_drain(changes)
        applied_s = time.perf_counter()
        if self._driver.shard.compact_if_due():
            self._compactions += 1
        self._compacting_s += time.perf_counter() - applied_s
        self._applying_s += applied_s - started_s
        self._applied += len(changes)

    def _search(self, number: int) -> Searched:
        started_s = time.perf_counter()
        found = self._driver.search_all(self._queries, K)
        took_s = time.perf_counter() - started_s
        tags = np.flatnonzero(self.tag_row >= 0)
        if not len(tags):
            raise InputError(f"step {number} searches where nothing lives", code="bad_runbook")
        true = tags[exact_neighbours(self._pool[self.tag_row[tags]], self._queries, K)]
        return Searched(number, recall(found, true), len(self._queries) / took_s, len(tags))


def _vectors(plan: RunbookPlan, runbook: Runbook) -> tuple[Float32Array, Float32Array]:
    """The rows and the queries.

    Raises:
        InputError: there are too few rows, or the queries are of another dimension.
    """
    rows = read_vectors(plan.vectors)
    if len(rows) < runbook.rows:
        raise InputError(
            f"{plan.vectors.name} has {len(rows):,} vectors, the runbook needs {runbook.rows:,}", code="bad_vectors"
        )
    if plan.queries is not None:
        queries = read_vectors(plan.queries)
    elif len(rows) > runbook.rows:
        queries = rows[runbook.rows : runbook.rows + QUERIES]
    else:
        chosen = np.random.default_rng(plan.seed).choice(len(rows), min(QUERIES, len(rows)), replace=False)
        queries = rows[chosen]
    if queries.shape[1] != rows.shape[1]:
        raise InputError(f"queries have {queries.shape[1]} dimensions, vectors {rows.shape[1]}", code="bad_vectors")
    return as_sent(rows), queries
