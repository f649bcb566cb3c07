"""`lookalive bench shard`: every group measures alone at a tiny size, and the report has its shape."""

import json
import math
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from importlib.util import find_spec
from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import Result

from ops.bench import shard_bench
from ops.bench.groups import Group
from ops.bench.report import Row
from ops.bench.shard_bench import MEASURES, bench_shard, measure_groups, read_finished
from ops.bench.vectors import hard_mixture, neighbours_among, recall, write_fbin
from ops.bench.workbench import Plan, Workbench
from ops.bench.write_load import measure as measure_load
from schemas.errors import InputError
from schemas.settings import IndexSettings

TINY = Plan(
    items=1000,
    dimension=16,
    queries=40,
    load_seconds=1.0,
    churn_rounds=3,
    index=IndexSettings(buffer_drain=64, buffer_capacity=128),
)
KEYS = ["measure", "value", "unit", "baseline", "ratio", "bound", "holds"]


def test_every_group_has_a_measure() -> None:
    assert set(MEASURES) == set(Group)


@pytest.mark.parametrize("group", sorted(set(Group) - {Group.LOAD}))
def test_a_group_measures_alone(group: Group, tmp_path: Path) -> None:
    if group is Group.PEERS and not any(find_spec(name) for name in ("hnswlib", "usearch")):
        pytest.skip("neither hnswlib nor usearch is installed: `make bench` installs them")
    rows = measure_groups(TINY, [group], tmp_path)
    assert read_finished(tmp_path, [group]) == (rows, 1)
    assert rows
    assert len({row.measure for row in rows}) == len(rows)
    assert all(math.isfinite(row.value) for row in rows)
    for row in rows:
        if "recall@10" in row.measure and row.unit == "share" and "lost" not in row.measure:
            assert 0.8 < row.value <= 1.0, row.measure


def test_all_systems_hold_the_same_items_after_the_load(tmp_path: Path) -> None:
    bench = Workbench(TINY, tmp_path, lambda _: None)
    rows = measure_load(bench)
    assert all(math.isfinite(row.value) and row.value > 0 for row in rows)
    assert any("/ without" in row.measure and row.bound == "ratio <= 4" for row in rows)
    assert any("p99" in row.measure and "/ locked raw FAISS" in row.measure for row in rows)
    assert any(row.measure == "share of the time spent draining" and row.bound == "value <= 0.3" for row in rows)
    driver, raw = bench.filling().driver, bench.filling().raw
    live = driver.live_numbers()
    assert len(live) == driver.shard.counts().items
    assert len(set(range(1000)) - set(live.tolist())) == 48
    assert len([number for number in live.tolist() if number >= 1000]) >= 500
    true = neighbours_among(bench.pool, live, bench.queries, 10)
    assert recall(driver.search_all(bench.queries, 10), true) > 0.97
    assert recall(raw.search_all(bench.queries, 10), true) > 0.97
    bench.close()


def test_json_has_the_promised_shape(lookalive: Callable[..., Result]) -> None:
    ran = lookalive(
        "bench", "shard", "--items", 2000, "--dimension", 32, "--only", "search", "--load-seconds", 1, "--json"
    )
    assert ran.exception is None or isinstance(ran.exception, SystemExit)
    report = json.loads(ran.stdout)
    assert list(report) == ["bench", "machine", "rows"]
    assert report["bench"] == "shard"
    assert {"processor", "cores", "memory_gib"} <= set(report["machine"])
    assert [list(row) for row in report["rows"]] == [KEYS, KEYS]
    broken = any(row["holds"] is False for row in report["rows"])
    assert ran.exit_code == (1 if broken else 0)


@pytest.mark.parametrize(("holds", "code"), [(True, 0), (False, 1), (None, 0)])
def test_a_broken_promise_is_an_exit_status(
    lookalive: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, holds: bool | None, code: int
) -> None:
    monkeypatch.setattr(shard_bench, "bench_shard", lambda *_: [Row(measure="m", value=1.0, unit="u", holds=holds)])
    assert lookalive("bench", "shard", "--json").exit_code == code


def test_what_was_measured_survives_the_death_of_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Row(measure="m", value=1.0, unit="u")

    def dies(_function: object, _plan: Plan, groups: list[Group], folder: Path) -> list[Row]:
        (folder / f"{groups[0].value}.json").write_bytes(msgspec.json.encode([kept]))
        raise BrokenProcessPool

    monkeypatch.setattr(shard_bench, "in_fresh_process", dies)
    first, died = bench_shard(TINY, [Group.SEARCH, Group.LOAD])
    assert first == kept
    assert (died.measure, died.holds) == ("load: the measuring process died", False)


def test_vectors_come_from_a_file(tmp_path: Path) -> None:
    write_fbin(tmp_path / "v.fbin", hard_mixture(4000, 8, 9))
    bench = Workbench(_from(tmp_path / "v.fbin"), tmp_path, lambda _: None)
    assert bench.items == 1000
    assert bench.pool.shape[1] == 8
    assert len(np.unique(np.concatenate([bench.pool, bench.queries]), axis=0)) == len(bench.pool) + len(bench.queries)


def test_a_file_with_too_few_vectors_is_refused(tmp_path: Path) -> None:
    write_fbin(tmp_path / "v.fbin", hard_mixture(1200, 8, 9))
    with pytest.raises(InputError, match="1,200 vectors are too few"):
        Workbench(_from(tmp_path / "v.fbin"), tmp_path, lambda _: None)


def test_an_unknown_group_is_refused(lookalive: Callable[..., Result]) -> None:
    assert lookalive("bench", "shard", "--only", "speed").exit_code == 2


def _from(path: Path) -> Plan:
    return Plan(items=1000, vectors=path, queries=40, load_seconds=1.0, index=TINY.index)
