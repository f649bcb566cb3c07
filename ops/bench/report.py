"""What a benchmark says: a row per figure, its baseline of the same run, the bound promised and whether it holds."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ops.console import out, print_json, print_table


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where the figures were measured; they mean little elsewhere, their ratios more."""

    processor: str
    cores: int
    memory_gib: float
    system: str
    python: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure. `ratio` is value / baseline; `bound` is promised of the ratio, or of the value where there is none.

    `holds` is None where nothing is promised.
    """

    measure: str
    value: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None
    bound: str | None = None
    holds: bool | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of `lookalive bench NAME --json`."""

    bench: str
    machine: Machine
    rows: list[Row]


def row(
    measure: str,
    value: float,
    unit: str,
    *,
    baseline: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Row:
    """A row; the bound is on the ratio where there is a baseline, else on the value."""
    ratio = None if not baseline else value / baseline
    judged = value if ratio is None else ratio
    bound, holds = None, None
    if at_least is not None:
        bound, holds = f">= {at_least:g}", judged >= at_least
    elif at_most is not None:
        bound, holds = f"<= {at_most:g}", judged <= at_most
    return Row(measure=measure, value=value, unit=unit, baseline=baseline, ratio=ratio, bound=bound, holds=holds)


def this_machine() -> Machine:
    """The machine the process runs on."""
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
    )


def show(bench: str, rows: Sequence[Row], as_json: bool) -> bool:
    """Print the report; whether every bound holds."""
    report = Report(bench=bench, machine=this_machine(), rows=list(rows))
    if as_json:
        print_json(report)
    else:
        m = report.machine
        out.print(f"bench {bench} on {m.processor}, {m.cores} cores, {m.memory_gib} GiB", highlight=False)
        cells = [
            (r.measure, _short(r.value), r.unit, _short(r.baseline), _short(r.ratio), r.bound, _word(r)) for r in rows
        ]
        print_table(["measure", "value", "unit", "baseline", "ratio", "bound", "holds"], cells)
    return all(r.holds is not False for r in rows)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _word(row: Row) -> str:
    return "" if row.holds is None else "yes" if row.holds else "NO"
