"""Runbooks of any size, in the shapes of the streaming track: see `ops.bench.runbook_kinds`."""

from collections.abc import Sequence

import numpy as np

from index_shards.faiss_api import faiss
from ops.bench.runbook import Delete, Insert, Replace, Runbook, Search, Step
from ops.bench.runbook_kinds import Kind
from ops.bench.vectors import Float32Array, Int64Array
from schemas.errors import InputError

REPLACED_SHARE = 0.2
FOREVER_IN_19, LONG_IN_19 = 1, 3
CLUSTERS, POINTS_PER_CLUSTER = 64, 40
# Clustered deletes begin after this share of the steps and take this share of what came.
DELETES_AFTER, DELETED_SHARE = 0.25, 0.5


def make_runbook(kind: Kind, dataset: str, points: int, steps: int, seed: int, bounds: Sequence[int] = ()) -> Runbook:
    """A runbook over `points` rows in `steps` rounds, each ending in a search.

    `bounds` are the first rows of the clusters and the end of the last, for `clustered` alone.

    Raises:
        InputError: there are fewer points than rounds, or no clusters where they are needed.
    """
    if not 1 <= steps <= points:
        raise InputError(f"{points} points cannot be spread over {steps} steps", code="bad_runbook")
    if kind is Kind.CLUSTERED and len(bounds) < 3:
        raise InputError("a clustered runbook needs data in the order of at least two clusters", code="bad_runbook")
    chance = np.random.default_rng(seed)
    match kind:
        case Kind.SLIDING_WINDOW:
            made = _sliding_window(points, steps)
        case Kind.EXPIRATION:
            made = _expiration(points, steps, chance)
        case Kind.CLUSTERED:
            made = _clustered(points, steps, bounds, chance)
    return Runbook(dataset, most_alive(made), tuple(made))


def most_alive(steps: Sequence[Step]) -> int:
    """The most tags that live at once."""
    ends = [s.tags_end if isinstance(s, Replace) else s.end for s in steps if not isinstance(s, Search)]
    alive = np.zeros(max(ends, default=0), np.bool_)
    most = 0
    for step in steps:
        match step:
            case Insert():
                alive[step.start : step.end] = True
            case Delete():
                alive[step.start : step.end] = False
            case Replace():
                alive[step.tags_start : step.tags_end] = True
        most = max(most, int(alive.sum()))
    return most


def grouped_by_cluster(rows: Float32Array, seed: int) -> tuple[Float32Array, list[int]]:
    """The rows of shape (n, dimension) in the order of their k-means clusters, and the clusters' bounds in them."""
    clusters = max(2, min(CLUSTERS, len(rows) // POINTS_PER_CLUSTER))
    means = faiss.Kmeans(rows.shape[1], clusters, niter=10, seed=seed, spherical=True, min_points_per_centroid=1)
    means.train(rows)
    _, nearest = means.index.search(rows, 1)
    labels: Int64Array = nearest[:, 0]
    counts = np.bincount(labels, minlength=clusters)
    return rows[np.argsort(labels, kind="stable")], [0, *np.cumsum(counts).tolist()]


def _bounds(points: int, steps: int) -> list[int]:
    return [points * step // steps for step in range(steps + 1)]


def _sliding_window(points: int, steps: int) -> list[Step]:
    bounds, window = _bounds(points, steps), max(1, steps // 2)
    made: list[Step] = []
    for i in range(steps):
        made.append(Insert(bounds[i], bounds[i + 1]))
        if i >= window:
            made.append(Delete(bounds[i - window], bounds[i - window + 1]))
        made.append(Search())
    return made


def _expiration(points: int, steps: int, chance: np.random.Generator) -> list[Step]:
    bounds = _bounds(points, steps)
    due: list[list[Step]] = [[] for _ in range(steps)]
    made: list[Step] = []
    for i in range(steps):
        start, end = bounds[i], bounds[i + 1]
        replacing = int((end - start) * REPLACED_SHARE)
        drawn = int(chance.integers(19))
        if drawn < FOREVER_IN_19:
            life = steps - i
        else:
            life = max(2, steps // 2 if drawn < FOREVER_IN_19 + LONG_IN_19 else steps // 10)
        if replacing and i + life // 2 < steps:
            due[i + life // 2].append(Replace(start, start + replacing, end - replacing, end))
        if i + life < steps:
            due[i + life].append(Delete(start, end - replacing))
        made += [Insert(start, end - replacing), *due[i], Search()]
    return made


def _clustered(points: int, steps: int, bounds: Sequence[int], chance: np.random.Generator) -> list[Step]:
    oldest, newest, ends = list(bounds[:-1]), list(bounds[:-1]), list(bounds[1:])
    quotas = np.diff(_bounds(points, steps)).tolist()
    made: list[Step] = []
    for i, quota in enumerate(quotas):
        made += [Insert(*run) for run in _runs(newest, ends, quota, chance)]
        if i >= steps * DELETES_AFTER:
            made += [Delete(*run) for run in _runs(oldest, newest, int(quota * DELETED_SHARE), chance)]
        made.append(Search())
    return made


def _runs(at: list[int], ends: Sequence[int], quota: int, chance: np.random.Generator) -> list[tuple[int, int]]:
    """Runs of rows that follow on where clusters stand, `quota` together if there are so many; moves them on."""
    runs = []
    for cluster in chance.permutation(len(at)).tolist():
        count = min(quota, ends[cluster] - at[cluster])
        if count > 0:
            runs.append((at[cluster], at[cluster] + count))
            at[cluster] += count
            quota -= count
    return runs
