"""Bytes that an item costs beyond its attributes, in a process of its own."""

import ctypes
import gc
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

from ops.bench.isolation import in_fresh_process
from ops.bench.report import Row, row
from ops.bench.workbench import FILL_BLOCK, Plan, Workbench

BYTES_AT_MOST = 1600.0


class MemoryUse(NamedTuple):
    """How much larger the process became with this many items, and what the index itself counts."""

    items: int
    resident_bytes: int
    counted_bytes: int


def measure(bench: Workbench) -> list[Row]:
    """Resident bytes per item, everything included that an empty shard did not have, and the shard's own count."""
    bench.note("filling a shard in a process of its own")
    use = in_fresh_process(fill_alone, bench.plan)
    return [
        row(
            "memory per item, no attributes, resident",
            use.resident_bytes / use.items,
            "bytes",
            at_most=BYTES_AT_MOST,
        ),
        row(
            "memory per item, no attributes, own count",
            use.counted_bytes / use.items,
            "bytes",
            at_most=BYTES_AT_MOST,
        ),
    ]


def fill_alone(plan: Plan) -> MemoryUse:
    """Fill a shard with items that have no attributes; to be called in a fresh process."""
    with tempfile.TemporaryDirectory(prefix="lookalive-bench-") as folder:
        bench = Workbench(plan, Path(folder), lambda _: None)
        driver = bench.new_driver()
        before = _resident_bytes()
        for at in range(0, bench.items, FILL_BLOCK):
            numbers = range(at, min(at + FILL_BLOCK, bench.items))
            driver.apply_and_drain([driver.upsert(number, bench.pool[number]) for number in numbers])
        driver.settle()
        driver.shard.serve()
        driver.live.clear()
        use = MemoryUse(bench.items, _resident_bytes() - before, driver.shard.counts().size_bytes)
        driver.close()
    return use


def _resident_bytes() -> int:
    """The resident size of this process, without what was freed and only not yet given back."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
