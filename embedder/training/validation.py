"""What a network can do after an epoch, by pictures it is not trained on."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from embedder.evaluation.bootstrap import mean_of
from embedder.evaluation.relevance import NOTHING, AttributeRelevance
from embedder.evaluation.retrieval import Judging, judge
from embedder.evaluation.robustness import found_within, ranks_of_originals
from embedder.models.base import Float32Array, PictureBatch

IntArray = npt.NDArray[np.int64]
DEPTH, WITHIN = 10, 5
FOUND = f"found@{WITHIN}"
Embed = Callable[[PictureBatch], Float32Array]
"""Prepared pictures (n, size, size, 3) to unit vectors (n, dimension)."""


class ValidationSet(NamedTuple):
    """Prepared pictures (n, size, size, 3) with `same` (n,) numbering what is the same picture, their labels (n,), and
    changed ones (m, size, size, 3) of the rows `originals` (m,)."""

    pictures: PictureBatch
    same: IntArray
    categories: IntArray
    groups: IntArray
    changed: PictureBatch
    originals: IntArray

    @property
    def measure(self) -> str:
        """The measure that epochs are compared by: mAP where anything can be relevant, else found@5."""
        return "mAP" if _repeats(self.categories) or _repeats(self.groups) else FOUND


def validate(data: ValidationSet, embed: Embed) -> dict[str, float]:
    """mAP and precision@10 by category and product among the pictures, and the share of changed pictures that find
    their original in the first 5; what has no value is left out."""
    vectors = embed(data.pictures)
    rows = np.arange(len(vectors), dtype=np.int64)
    relevance = AttributeRelevance(data.categories, data.groups, category_grade=1, group_grade=5)
    judged = judge(vectors, Judging(data.same, rows, rows, relevance, depths=(DEPTH,)))
    found = {name: mean_of(judged.values[:, judged.names.index(name)]) for name in ("mAP", f"precision@{DEPTH}")}
    if len(data.changed):
        ranks = ranks_of_originals(embed(data.changed), vectors, data.same, data.originals)
        found[FOUND] = float(found_within(ranks, WITHIN).mean())
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _repeats(labels: IntArray) -> bool:
    known: Any = labels[labels != NOTHING]
    return len(np.unique(known)) < len(known)
