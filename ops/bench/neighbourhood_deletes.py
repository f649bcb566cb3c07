"""Recall where a whole neighbourhood was just deleted: what an index is asked for next lies beyond a ring of dead."""

import numpy as np

from ops.bench.report import Row, row
from ops.bench.vectors import recall
from ops.bench.workbench import K, Workbench
from ops.console import err

NEAREST = 100
BEFORE_AT_LEAST, AFTER_AT_LEAST = 0.90, 0.95
# Deletes take a tenth of the shard at most: as many queries as that allows.
DELETED_SHARE = 0.1
COMPACTIONS_AT_MOST = 5


def measure(bench: Workbench) -> list[Row]:
    """Recall on the queries whose nearest 100 died, before and after compaction; baseline: the raw graph's selector."""
    filling = bench.filling()
    driver, raw = filling.driver, filling.raw
    count = max(10, min(len(bench.queries), int(len(driver.live) * DELETED_SHARE / NEAREST)))
    queries = bench.queries[:count]
    bench.note(f"deleting the nearest {NEAREST} of {count} queries")
    dead = np.unique(bench.truth(driver.live_numbers(), queries, NEAREST)).tolist()
    driver.apply_and_drain([driver.delete(number) for number in dead])
    for number in dead:
        raw.delete(number)
    true = bench.truth(driver.live_numbers(), queries)
    raw_recall = recall(raw.search_all(queries, K), true)
    before = recall(driver.search_all(queries, K), true)
    bench.note("compacting")
    compactions = 0
    while compactions < COMPACTIONS_AT_MOST and driver.shard.compact_if_due():
        compactions += 1
    if not compactions:
        err.print(f"the shard saw no need to compact after {len(dead):,} clustered deletes", highlight=False)
    after = recall(driver.search_all(queries, K), true)
    said = f"nearest {NEAREST} of {count} queries deleted"
    return [
        row(
            f"{said}: recall@10 / raw FAISS with a selector",
            before,
            "share",
            baseline=raw_recall,
            at_least=BEFORE_AT_LEAST,
            of="value",
        ),
        row(
            f"{said}, compacted: recall@10",
            after,
            "share",
            at_least=AFTER_AT_LEAST,
        ),
        row("compactions that this led to", compactions, "count"),
    ]
