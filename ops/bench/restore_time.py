"""How long a shard takes to start again from its snapshot, beside reading the raw graph's file."""

import time

import numpy as np

from index_shards.faiss_api import faiss
from ops.bench.report import Row, row
from ops.bench.workbench import Workbench

TIMES = 3
RAW_TIMES_AT_MOST, SECONDS_MORE = 3.0, 2.0


def measure(bench: Workbench) -> list[Row]:
    """Seconds to restore (checksums included), the median of a few turns; files come from the page cache for both."""
    filling = bench.filling()
    bench.note("writing a snapshot and the raw graph")
    path = bench.folder / "raw.faiss"
    started_s = time.perf_counter()
    filling.driver.shard.snapshot({})
    between_s = time.perf_counter()
    filling.raw.write(path)
    ended_s = time.perf_counter()
    restored_s, read_s = [], []
    for turn in range(TIMES):
        bench.note(f"restoring, turn {turn + 1} of {TIMES}")
        started_read_s = time.perf_counter()
        index = faiss.read_index(str(path))
        read_s.append(time.perf_counter() - started_read_s)
        del index
        restored_s.append(filling.driver.reopen())
    path.unlink()
    raw_s = float(np.median(read_s))
    return [
        row(
            "restore / raw read_index",
            float(np.median(restored_s)),
            "s",
            baseline=raw_s,
            at_most=RAW_TIMES_AT_MOST * raw_s + SECONDS_MORE,
            of="value",
            said=f"value <= {RAW_TIMES_AT_MOST:g} x baseline + {SECONDS_MORE:g}",
        ),
        row("snapshot / raw write_index", between_s - started_s, "s", baseline=ended_s - between_s),
    ]
