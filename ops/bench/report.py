"""What a benchmark says: a row per figure, its baseline of the same run, the bound promised and whether it holds."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from ops.console import out, print_json, print_table

# Columns of a table that is read from a file.
TABLE_WIDTH = 130


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where the figures were measured; they mean little elsewhere, their ratios more."""

    processor: str
    cores: int
    memory_gib: float
    system: str
    python: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure. `ratio` is value / baseline; `bound` says what is promised of which of them.

    The measure of a row with a baseline is named so as well, "value / baseline". `holds` is None where nothing is
    promised.
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
    of: Literal["ratio", "value"] | None = None,
    said: str | None = None,
) -> Row:
    """A row with one bound at most: of the ratio where there is a baseline, else of the value, unless `of` is given.

    `said` is the bound in words, where it was worked out from something.
    """
    ratio = None if not baseline else value / baseline
    subject = of or ("value" if baseline is None else "ratio")
    judged = ratio if subject == "ratio" else value
    bound, holds = None, None
    if at_least is not None:
        # A ratio that cannot be formed keeps no promise, and neither does a figure that is not a number.
        bound, holds = f"{subject} >= {at_least:g}", judged is not None and judged >= at_least
    elif at_most is not None:
        bound, holds = f"{subject} <= {at_most:g}", judged is not None and judged <= at_most
    return Row(
        measure=measure, value=value, unit=unit, baseline=baseline, ratio=ratio, bound=said or bound, holds=holds
    )


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
        if not out.is_terminal:
            out.width = max(out.width, TABLE_WIDTH)
        m = report.machine
        out.print(f"bench {bench} on {m.processor}, {m.cores} cores, {m.memory_gib} GiB", highlight=False)
        cells = [
            (r.measure, _short(r.value), r.unit, _short(r.baseline), _short(r.ratio), r.bound, _word(r)) for r in rows
        ]
        print_table(["measure", "value", "unit", "baseline", "ratio", "bound", "holds"], cells)
    return all(r.holds is not False for r in rows)


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _word(row: Row) -> str:
    return "" if row.holds is None else "yes" if row.holds else "NO"
