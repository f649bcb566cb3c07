"""Recall and speed under filters, of chance and correlated with position in space: the latter is what breaks graphs."""

import time

import numpy as np

from ops.bench.report import Row, row
from ops.bench.vectors import Int64Array, recall
from ops.bench.workbench import PER_MILLE, K, Workbench
from schemas.filters import parse_filter

PASSING_PER_MILLE = (500, 100, 10, 1)
RECALL_AT_LEAST = 0.95
QUERIES = 200


def measure(bench: Workbench) -> list[Row]:
    """Two rows per filter: recall among the items that pass, and queries per second.

    A correlated filter passes the items nearest to one point of the space.
    """
    driver = bench.filling().driver
    live = driver.live_numbers()
    queries = bench.queries[:QUERIES]
    started_s = time.perf_counter()
    driver.search_all(queries, K)
    free_rate = len(queries) / (time.perf_counter() - started_s)
    rows: list[Row] = []
    for name, rank in (("random", bench.random_rank), ("near", bench.near_rank)):
        for passing in PASSING_PER_MILLE:
            share = f"{100 * passing / PER_MILLE:g} %"
            bench.note(f"filter {name}, {share}")
            among = _passing(rank, live, passing)
            wanted = parse_filter({name: {"lt": passing}})
            started_s = time.perf_counter()
            found = driver.search_all(queries, K, wanted)
            rate = len(queries) / (time.perf_counter() - started_s)
            kind = "random" if name == "random" else "correlated"
            rows.append(
                row(
                    f"{kind} filter of {share}: recall@10",
                    recall(found, bench.truth(among, queries)),
                    "share",
                    at_least=RECALL_AT_LEAST,
                )
            )
            rows.append(
                row(
                    f"{kind} filter of {share}: search rate / no filter",
                    rate,
                    "queries/s",
                    baseline=free_rate,
                )
            )
    return rows


def _passing(rank: Int64Array, live: Int64Array, passing: int) -> Int64Array:
    numbers: Int64Array = live[np.flatnonzero(rank[live] < passing)]
    return numbers
