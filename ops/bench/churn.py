"""Recall of a shard that keeps changing, beside a graph built just now of the same living vectors, round by round."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ops.bench.raw_graph import fresh_answers
from ops.bench.report import Row, row
from ops.bench.shard_driver import ShardDriver
from ops.bench.vectors import Int64Array, recall
from ops.bench.workbench import CHURN_ITEMS, FILL_BLOCK, K, Workbench

SHARE = 0.05
LOST_AT_MOST = 0.01


class Round(NamedTuple):
    """Recall at 10 after a round: the shard's and the fresh graph's."""

    ours: float
    fresh: float


def measure(bench: Workbench) -> list[Row]:
    """Rounds of clustered deletes and inserts while the shard's own drainer drains and compacts."""
    items = min(CHURN_ITEMS, len(bench.pool) // 2)
    chance = np.random.default_rng(bench.plan.seed)
    driver = bench.new_driver()
    reserve = np.arange(items, 2 * items)
    for at in range(0, items, FILL_BLOCK):
        bench.note(f"churn: filling {at:,} of {items:,}")
        numbers = range(at, min(at + FILL_BLOCK, items))
        driver.apply_and_drain([bench.upsert(driver, number) for number in numbers])
    driver.settle()
    driver.shard.serve()
    rounds: list[Round] = []
    with driver.kept() as drainer:
        for number in range(bench.plan.churn_rounds):
            bench.note(
                f"churn: round {number + 1} of {bench.plan.churn_rounds}" + (f", {_said(rounds[-1])}" if rounds else "")
            )
            reserve = _change(bench, driver, reserve, round(items * SHARE), chance)
            rounds.append(_look(bench, driver))
    compactions = drainer.compactions
    driver.close()
    return _rows(rounds, compactions)


def _change(
    bench: Workbench, driver: ShardDriver, reserve: Int64Array, count: int, chance: np.random.Generator
) -> Int64Array:
    """Delete the `count` living items around one, insert as many around one of the reserve; what is left of that."""
    leaving = _around(bench, driver.live_numbers(), count, chance)
    coming = _around(bench, reserve, count, chance)
    for number in leaving.tolist():
        driver.apply(driver.delete(number))
    for number in coming.tolist():
        driver.apply(bench.upsert(driver, number))
    return np.setdiff1d(reserve, coming, assume_unique=True)


def _around(bench: Workbench, numbers: Int64Array, count: int, chance: np.random.Generator) -> Int64Array:
    centre = bench.pool[int(chance.choice(numbers))]
    around: Int64Array = bench.truth(numbers, centre[None], count)[0]
    return around


def _look(bench: Workbench, driver: ShardDriver) -> Round:
    live = driver.live_numbers()
    ours = driver.search_all(bench.queries, K)
    true = bench.truth(live, bench.queries)
    fresh = live[fresh_answers(bench.generation, bench.pool[live], bench.queries, K, bench.cores)]
    return Round(recall(ours, true), recall(fresh.tolist(), true))


def _rows(rounds: Sequence[Round], compactions: int) -> list[Row]:
    lost = [r.fresh - r.ours for r in rounds]
    worst = int(np.argmax(lost))
    return [
        row(
            f"churn: recall@10 lost to a fresh graph, worst round ({worst + 1})",
            lost[worst],
            "share",
            at_most=LOST_AT_MOST,
        ),
        row(
            "churn: mean recall@10 / fresh graphs",
            float(np.mean([r.ours for r in rounds])),
            "share",
            baseline=float(np.mean([r.fresh for r in rounds])),
        ),
        row(
            "churn: last recall@10 / fresh graph",
            rounds[-1].ours,
            "share",
            baseline=rounds[-1].fresh,
        ),
        row("churn: compactions", compactions, "count"),
    ]


def _said(last: Round) -> str:
    return f"recall {last.ours:.3f}, fresh {last.fresh:.3f}"
