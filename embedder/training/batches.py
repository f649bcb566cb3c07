"""Which pictures come together in a batch: drawn at random, or so many of each of some labels (P x K)."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from embedder.evaluation.relevance import NOTHING

IntArray = npt.NDArray[np.int64]


def shuffled_batches(count: int, size: int, chance: np.random.Generator) -> list[IntArray]:
    """All of `count` rows once, in batches of `size`; the rest that fills no batch is left out, unless it is all."""
    order = chance.permutation(count).astype(np.int64)
    whole = max(1, count // size)
    return [order[start * size : (start + 1) * size] for start in range(whole)]


def balanced_batches(labels: IntArray, kinds: int, per_kind: int, chance: np.random.Generator) -> list[IntArray]:
    """Batches of `per_kind` rows of each of `kinds` labels, about as many as all rows with a label fill.

    The sampling of Hermans et al., "In defense of the triplet loss for person re-identification" (2017): every label
    comes equally often, whatever its share. Labels and the rows of each take turns in a random order, so that none
    comes a second time before all came once. A row of no label (NOTHING) never comes; with fewer labels than `kinds`
    all of them come.
    """
    known = np.unique(labels[labels != NOTHING])
    rows_of = {label: _in_turn(np.flatnonzero(labels == label), chance) for label in known.tolist()}
    kinds = min(kinds, len(known))
    whole = max(1, int((labels != NOTHING).sum()) // (kinds * per_kind)) if kinds else 0
    turns = _in_turn(known, chance)
    return [_batch(turns, kinds, rows_of, per_kind) for _ in range(whole)]


def _batch(turns: Iterator[int], kinds: int, rows_of: dict[int, Iterator[int]], per_kind: int) -> IntArray:
    chosen: dict[int, None] = {}
    while len(chosen) < kinds:
        chosen[next(turns)] = None
    return np.array([next(rows_of[label]) for label in chosen for _ in range(per_kind)], dtype=np.int64)


def _in_turn(values: IntArray, chance: np.random.Generator) -> Iterator[int]:
    """All values in a random order, and again in another one, without end."""
    while True:
        yield from chance.permutation(values).tolist()
