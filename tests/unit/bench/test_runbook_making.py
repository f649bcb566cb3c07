"""Runbooks of our own: every row comes once, only what lives goes, and the counts add up."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.bench.runbook import Delete, Insert, Replace, Runbook, Search, Step
from ops.bench.runbook_kinds import Kind
from ops.bench.runbook_making import grouped_by_cluster, make_runbook
from ops.bench.vectors import exact_neighbours, hard_mixture
from schemas.errors import InputError


def made(kind: Kind, points: int, steps: int, seed: int) -> Runbook:
    clusters = min(points, 7)
    bounds = np.linspace(0, points, clusters + 1).astype(int).tolist() if kind is Kind.CLUSTERED else []
    return make_runbook(kind, "d", points, steps, seed, bounds)


def replayed(steps: Sequence[Step]) -> tuple[dict[int, int], int, set[int]]:
    """What lives at the end by tag, the most that lived, and the rows used; fails on a step that makes no sense."""
    rows: dict[int, int] = {}
    used: set[int] = set()
    most = 0
    for step in steps:
        match step:
            case Insert():
                fresh = set(range(step.start, step.end))
                assert not fresh & used
                rows.update(zip(fresh, fresh, strict=True))
                used |= fresh
            case Replace():
                tags, ids = range(step.tags_start, step.tags_end), range(step.ids_start, step.ids_end)
                assert len(tags) == len(ids)
                assert set(tags) <= set(rows)
                assert not set(ids) & used
                rows.update(zip(tags, ids, strict=True))
                used |= set(ids)
            case Delete():
                for tag in range(step.start, step.end):
                    del rows[tag]
        most = max(most, len(rows))
    return rows, most, used


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(list(Kind)), st.integers(2, 400), st.integers(1, 40), st.integers(0, 20))
def test_a_runbook_makes_sense(kind: Kind, points: int, steps: int, seed: int) -> None:
    if steps > points:
        return
    runbook = made(kind, points, steps, seed)
    _, most, used = replayed(runbook.steps)
    assert runbook.max_pts == most
    assert runbook.rows <= points
    assert sum(isinstance(step, Search) for step in runbook.steps) == steps
    assert isinstance(runbook.steps[-1], Search)
    if kind is not Kind.EXPIRATION:
        assert used == set(range(points))
    assert made(kind, points, steps, seed) == runbook


def test_a_sliding_window_keeps_half() -> None:
    runbook = made(Kind.SLIDING_WINDOW, 1000, 10, 1)
    rows, most, _ = replayed(runbook.steps)
    assert sorted(rows) == list(range(500, 1000))
    assert most == 600


def test_expiration_inserts_replaces_and_deletes() -> None:
    runbook = made(Kind.EXPIRATION, 2000, 50, 1)
    assert {type(step) for step in runbook.steps} == {Insert, Replace, Delete, Search}
    assert runbook.max_pts < 1000


def test_clustered_changes_stay_within_clusters() -> None:
    runbook = made(Kind.CLUSTERED, 700, 20, 1)
    changes = [s for s in runbook.steps if isinstance(s, Insert | Delete)]
    assert any(isinstance(s, Delete) for s in changes)
    # Bounds lie at every hundredth row.
    assert all(s.start // 100 == (s.end - 1) // 100 for s in changes)


def test_rows_are_put_in_the_order_of_their_clusters() -> None:
    rows = hard_mixture(800, 16, 1)
    grouped, bounds = grouped_by_cluster(rows, seed=1)
    assert bounds[0] == 0
    assert bounds[-1] == 800
    assert sorted(map(bytes, grouped)) == sorted(map(bytes, rows))
    cluster = np.searchsorted(bounds, np.arange(800), side="right")
    nearest = exact_neighbours(grouped, grouped, 2)[:, 1]
    by_chance = np.mean(np.square(np.diff(bounds) / 800))
    assert np.mean(cluster == cluster[nearest]) > 3 * by_chance


@pytest.mark.parametrize("kind", list(Kind))
def test_more_steps_than_points_are_refused(kind: Kind) -> None:
    with pytest.raises(InputError, match="cannot be spread"):
        make_runbook(kind, "d", 3, 4, 1, [0, 1, 3])


def test_clusters_are_needed_where_they_count() -> None:
    with pytest.raises(InputError, match="order of at least two clusters"):
        make_runbook(Kind.CLUSTERED, "d", 100, 4, 1)
