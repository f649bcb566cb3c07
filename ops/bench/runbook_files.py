"""A runbook and the data that goes with it, written to files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ops.bench.runbook import Runbook, write_runbook
from ops.bench.runbook_kinds import Kind
from ops.bench.runbook_making import grouped_by_cluster, make_runbook
from ops.bench.vectors import Float32Array, hard_mixture, read_vectors, write_fbin
from schemas.errors import InputError

QUERIES = 1000


def make_files(
    kind: Kind,
    points: int,
    steps: int,
    seed: int,
    dimension: int,
    output: Path,
    vectors: Path | None = None,
    vectors_out: Path | None = None,
) -> Runbook:
    """Write the runbook to `output` and, if asked, its vectors, with up to 1,000 rows after them to be asked for.

    The vectors come from a file or from the seeded mixture; for a clustered runbook they are put in order.

    Raises:
        InputError: a clustered runbook without a file to put its vectors into, or a file with too few.
    """
    bounds: Sequence[int] = ()
    if vectors_out is not None:
        rows = _rows(points, dimension, seed, vectors)
        if kind is Kind.CLUSTERED:
            ordered, bounds = grouped_by_cluster(rows[:points], seed)
            rows = np.concatenate([ordered, rows[points:]])
    elif kind is Kind.CLUSTERED:
        raise InputError("a clustered runbook goes with vectors in its order: --vectors-out", code="bad_runbook")
    runbook = make_runbook(kind, f"{kind}-{points}", points, steps, seed, bounds)
    write_runbook(output, runbook)
    if vectors_out is not None:
        write_fbin(vectors_out, rows)
    return runbook


def _rows(points: int, dimension: int, seed: int, vectors: Path | None) -> Float32Array:
    if vectors is None:
        return hard_mixture(points + QUERIES, dimension, seed)
    rows = read_vectors(vectors, points + QUERIES)
    if len(rows) < points:
        raise InputError(f"{vectors.name} has {len(rows):,} vectors, not {points:,}", code="bad_vectors")
    return rows
