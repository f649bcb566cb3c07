"""How fast and how well the shard searches when nothing is written, beside the raw graph at the same ef."""

from ops.bench.interleaving import time_searches
from ops.bench.report import Row, row
from ops.bench.vectors import recall
from ops.bench.workbench import K, Workbench

AT_LEAST_OF_RAW = 0.85


def measure(bench: Workbench) -> list[Row]:
    """Queries per second of one thread while nothing is written, and recall."""
    filling = bench.filling()
    bench.note("searching the shard and the raw graph in turns")
    driver, raw = filling.driver, filling.raw
    timed = time_searches(
        {"shard": lambda query: driver.search(query, K), "raw": lambda query: raw.search(query, K)}, bench.queries
    )
    true = bench.truth(driver.live_numbers(), bench.queries)
    ours, theirs = timed["shard"], timed["raw"]
    return [
        row(
            "search rate / raw FAISS at the same ef",
            ours.per_second,
            "queries/s",
            baseline=theirs.per_second,
            at_least=AT_LEAST_OF_RAW,
        ),
        row(
            "recall@10 / raw FAISS at the same ef",
            recall(ours.answers, true),
            "share",
            baseline=recall(theirs.answers, true),
        ),
    ]
