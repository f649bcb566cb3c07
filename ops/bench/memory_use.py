"""Bytes that an item costs beyond its attributes, and what the small storage gives up for its few.

Each storage is measured in a process of its own. What any shard has, however few its items are (the fresh buffer, the
item store's caches), is touched by the first items and stands in a row of its own.
"""

import ctypes
import gc
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from ops.bench.interleaving import time_searches
from ops.bench.isolation import in_fresh_process
from ops.bench.raw_graph import RawGraph
from ops.bench.report import Row, row
from ops.bench.shard_driver import ShardDriver
from ops.bench.vectors import recall
from ops.bench.workbench import FILL_BLOCK, K, Plan, Workbench

BYTES_AT_MOST = 1600.0
# The share of the items that touch what a shard has beside its items.
FIRST_SHARE = 0.5
MIB = 1024 * 1024
SMALL_BYTES_AT_MOST, SMALL_RECALL_AT_LEAST = 450.0, 0.93


class MemoryUse(NamedTuple):
    """Bytes per item, by how much larger the process became and by what the index itself counts; and bytes beside."""

    resident_bytes: float
    counted_bytes: float
    beside_bytes: float


class SmallUse(NamedTuple):
    """A shard of the small storage: its memory and recall, and its queries per second beside the raw fp16 graph's."""

    memory: MemoryUse
    recall_at_10: float
    per_second: float
    raw_per_second: float


def measure(bench: Workbench) -> list[Row]:
    """Memory per item of the plan's storage and of the small one, and how well and how fast the latter is searched."""
    bench.note("filling a shard in a process of its own")
    rows = _memory_rows("", in_fresh_process(fill_alone, bench.plan), BYTES_AT_MOST)
    bench.note("filling a small shard and a raw graph in a process of their own")
    small = in_fresh_process(fill_small, bench.plan)
    return [
        *rows,
        *_memory_rows("small storage: ", small.memory, SMALL_BYTES_AT_MOST),
        row("small storage: recall@10", small.recall_at_10, "share", at_least=SMALL_RECALL_AT_LEAST),
        row(
            "small storage: search rate / raw FAISS in fp16",
            small.per_second,
            "queries/s",
            baseline=small.raw_per_second,
        ),
    ]


def _memory_rows(of: str, use: MemoryUse, at_most: float) -> list[Row]:
    return [
        row(f"{of}memory per item, no attributes, resident", use.resident_bytes, "bytes", at_most=at_most),
        row(f"{of}memory per item, no attributes, own count", use.counted_bytes, "bytes", at_most=at_most),
        row(f"{of}memory of a shard beside its items, resident", use.beside_bytes / MIB, "MiB"),
    ]


def fill_alone(plan: Plan) -> MemoryUse:
    """Fill a shard with items that have no attributes; to be called in a fresh process."""
    with tempfile.TemporaryDirectory(prefix="lookalive-bench-") as folder:
        bench = Workbench(plan, Path(folder), lambda _: None)
        driver = bench.new_driver()
        use = _filled(bench, driver)
        driver.close()
    return use


def fill_small(plan: Plan) -> SmallUse:
    """The same with the small storage, and then search it beside the raw fp16 graph of the same vectors, in turns."""
    plan = msgspec.structs.replace(plan, index=msgspec.structs.replace(plan.index, storage="small"))
    with tempfile.TemporaryDirectory(prefix="lookalive-bench-") as folder:
        bench = Workbench(plan, Path(folder), lambda _: None)
        driver = bench.new_driver()
        memory = _filled(bench, driver)
        numbers, raw = np.arange(bench.items), RawGraph(bench.generation, bench.items)
        raw.add(numbers, bench.pool[: bench.items])
        timed = time_searches(
            {"small": lambda query: driver.search(query, K), "raw": lambda query: raw.search(query, K)}, bench.queries
        )
        at_10 = recall(timed["small"].answers, bench.truth(numbers, bench.queries))
        driver.close()
    return SmallUse(memory, at_10, timed["small"].per_second, timed["raw"].per_second)


def _filled(bench: Workbench, driver: ShardDriver) -> MemoryUse:
    """Fill the shard, and hold what it grew by after the first items against how many came after them."""
    first = int(FIRST_SHARE * bench.items)
    resident_bytes, counted_bytes = [_resident_bytes()], [0]
    for start, end in ((0, first), (first, bench.items)):
        for at in range(start, end, FILL_BLOCK):
            numbers = range(at, min(at + FILL_BLOCK, end))
            driver.apply_and_drain([driver.upsert(number, bench.pool[number]) for number in numbers])
        driver.settle()
        driver.live.clear()
        resident_bytes.append(_resident_bytes())
        counted_bytes.append(driver.shard.counts().size_bytes)
    driver.shard.serve()
    per_item, counted_per_item = (
        (sizes[-1] - sizes[-2]) / (bench.items - first) for sizes in (resident_bytes, counted_bytes)
    )
    return MemoryUse(per_item, counted_per_item, resident_bytes[-1] - resident_bytes[0] - per_item * bench.items)


def _resident_bytes() -> int:
    """The resident size of this process, without what was freed and only not yet given back."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
