"""A shard driven through runbooks: what it finds is what lives, under the tag it lives under."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from ops.bench.runbook import Delete, Insert, Replace, Runbook, Search, write_runbook
from ops.bench.runbook_bench import RunbookPlan, run_runbook
from ops.bench.vectors import hard_mixture, write_fbin
from schemas.errors import InputError

ROWS = hard_mixture(260, 16, 1)


def plan(
    tmp_path: Path, *steps: Insert | Delete | Replace | Search, queries: "np.ndarray | None" = None
) -> RunbookPlan:
    write_runbook(tmp_path / "r.yaml", Runbook("tiny", 260, steps))
    write_fbin(tmp_path / "v.fbin", ROWS)
    if queries is not None:
        write_fbin(tmp_path / "q.fbin", queries)
    asked = None if queries is None else tmp_path / "q.fbin"
    return RunbookPlan(runbook=tmp_path / "r.yaml", vectors=tmp_path / "v.fbin", queries=asked)


def figures(a_plan: RunbookPlan) -> dict[str, float]:
    return {row.measure: row.value for row in run_runbook(a_plan)}


def test_a_shard_small_enough_to_be_scanned_finds_everything(tmp_path: Path) -> None:
    steps = (
        Insert(0, 120),
        Search(),
        Delete(30, 60),
        Search(),
        Replace(0, 20, 120, 140),
        Delete(50, 70),
        Insert(140, 200),
        Search(),
        Insert(30, 40),
        Search(),
    )
    found = figures(plan(tmp_path, *steps))
    assert [found[f"step {n}: recall@10"] for n in (2, 4, 8, 10)] == [1.0] * 4
    assert [found[f"step {n}: vectors alive"] for n in (2, 4, 8, 10)] == [120, 90, 140, 150]
    assert found["recall@10, worst search"] == 1.0


def test_a_replaced_tag_is_found_by_its_new_row_alone(tmp_path: Path) -> None:
    # The queries are the replaced rows: with the old vectors still there, they would be among the answers.
    a_plan = plan(tmp_path, Insert(0, 100), Replace(0, 50, 100, 150), Search(), queries=ROWS[:50])
    assert figures(a_plan)["step 3: recall@10"] == 1.0


def test_fewer_alive_than_asked_for_is_no_loss(tmp_path: Path) -> None:
    assert figures(plan(tmp_path, Insert(0, 4), Search()))["step 2: recall@10"] == 1.0


def test_a_search_where_nothing_lives_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="step 3 searches where nothing lives"):
        run_runbook(plan(tmp_path, Insert(0, 4), Delete(0, 4), Search()))


def test_too_few_vectors_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has 260 vectors, the runbook needs 261"):
        run_runbook(plan(tmp_path, Insert(0, 261), Search()))


def test_queries_of_another_dimension_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="queries have 8 dimensions, vectors 16"):
        run_runbook(plan(tmp_path, Insert(0, 4), Search(), queries=hard_mixture(5, 8, 1)))


@pytest.mark.parametrize("kind", ["sliding-window", "expiration", "clustered"])
def test_a_made_runbook_is_run(lookalive: Callable[..., Result], tmp_path: Path, kind: str) -> None:
    book, data = tmp_path / "r.yaml", tmp_path / "v.fbin"
    size = ["--points", 600, "--steps", 6, "--seed", 3, "--dimension", 16]
    made = lookalive("bench", "make-runbook", "--kind", kind, *size, "-o", book, "--vectors-out", data)
    assert made.exit_code == 0, made.output
    ran = lookalive("bench", "runbook", book, "--vectors", data, "--json")
    assert ran.exit_code == 0, ran.output
    report = json.loads(ran.stdout)
    assert report["bench"] == "runbook"
    recalls = [row["value"] for row in report["rows"] if row["measure"].endswith(": recall@10")]
    assert recalls == [1.0] * 6


def test_a_clustered_runbook_without_its_data_is_refused(lookalive: Callable[..., Result], tmp_path: Path) -> None:
    made = lookalive(
        "bench", "make-runbook", "--kind", "clustered", "--points", 10, "--steps", 2, "-o", tmp_path / "r.yaml"
    )
    assert made.exit_code == 1
    assert "--vectors-out" in made.stderr
    assert not (tmp_path / "r.yaml").exists()
