"""`lookalive bench shard`: the groups of rows, one after the other, on one workbench."""

import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import msgspec
from rich.markup import escape

from ops.bench import (
    bulk_insert,
    churn,
    filtered_search,
    memory_use,
    neighbourhood_deletes,
    peer_rates,
    restore_time,
    search_rate,
    write_load,
)
from ops.bench.groups import Group
from ops.bench.isolation import in_fresh_process
from ops.bench.report import Row, row
from ops.bench.workbench import Plan, Workbench
from ops.console import progress_bar

MEASURES: dict[Group, Callable[[Workbench], list[Row]]] = {
    Group.SEARCH: search_rate.measure,
    Group.INSERT: bulk_insert.measure,
    Group.FILTER: filtered_search.measure,
    Group.PEERS: peer_rates.measure,
    Group.MEMORY: memory_use.measure,
    Group.RESTORE: restore_time.measure,
    Group.LOAD: write_load.measure,
    Group.NEIGHBOURHOOD: neighbourhood_deletes.measure,
    Group.CHURN: churn.measure,
}


def bench_shard(plan: Plan, only: Collection[Group] = ()) -> list[Row]:
    """The rows of these groups (all of them without a choice), measured in a process of its own.

    Should that process die, the rows that it had finished are kept, and one that holds not says where it died.

    Raises:
        InputError: the vectors cannot be read or are too few.
    """
    groups = [group for group in Group if group in only or not only]
    with tempfile.TemporaryDirectory(prefix="lookalive-bench-") as folder:
        try:
            return in_fresh_process(measure_groups, plan, groups, Path(folder))
        except BrokenProcessPool:
            rows, finished = read_finished(Path(folder), groups)
            died_in = groups[finished].value if finished < len(groups) else "the end"
            return [*rows, row(f"{died_in}: the measuring process died", 1, "count", at_most=0)]


def measure_groups(plan: Plan, groups: Sequence[Group], folder: Path) -> list[Row]:
    """The same in this process; progress goes to standard error, finished groups and everything else into `folder`."""
    rows: list[Row] = []
    with progress_bar() as progress:
        task = progress.add_task("measuring", total=len(groups), note="")
        bench = Workbench(plan, folder, lambda text: progress.update(task, note=escape(text)))
        try:
            for group in groups:
                progress.update(task, description=group.value, note="")
                started_s = time.perf_counter()
                made = MEASURES[group](bench)
                (folder / f"{group.value}.json").write_bytes(msgspec.json.encode(made))
                rows += made
                progress.console.print(f"{group.value}: {time.perf_counter() - started_s:.0f} s", highlight=False)
                progress.advance(task)
        finally:
            bench.close()
    return rows


def read_finished(folder: Path, groups: Sequence[Group]) -> tuple[list[Row], int]:
    """The rows of the groups that were finished, and how many groups those are."""
    rows: list[Row] = []
    for finished, group in enumerate(groups):
        path = folder / f"{group.value}.json"
        if not path.exists():
            return rows, finished
        rows += msgspec.json.decode(path.read_bytes(), type=list[Row])
    return rows, len(groups)
