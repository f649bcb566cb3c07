"""What is relevant to what, as grades in 0..5: by what the items are, or as people judged."""

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from embedder.evaluation.rank_measures import Grades

IntArray = npt.NDArray[np.int64]
NOTHING = -1
"""The number of a value that is not there; it equals nothing, not even itself."""


class Relevance(Protocol):
    """Grades of pairs of rows of one table of pictures."""

    def grades(self, queries: IntArray, gallery: IntArray) -> Grades:
        """The grades (len(queries), len(gallery)) int8 of gallery rows for query rows."""


class AttributeRelevance(NamedTuple):
    """The same product has one grade, the same category another, the higher one counts; anything else has 0.

    `categories` and `groups` (n,) int64 number the values, NOTHING where there is none.
    """

    categories: IntArray
    groups: IntArray
    category_grade: int
    group_grade: int

    def grades(self, queries: IntArray, gallery: IntArray) -> Grades:
        """See `Relevance.grades`."""
        alike = _same(self.categories, queries, gallery) * np.int8(self.category_grade)
        siblings = _same(self.groups, queries, gallery) * np.int8(self.group_grade)
        grades: Grades = np.maximum(alike, siblings)
        return grades


class JudgedRelevance:
    """Grades that people gave; what nobody judged has 0."""

    def __init__(self, item_ids: Sequence[str], judgements: Mapping[str, Mapping[str, int]]) -> None:
        """`item_ids` of the table's rows (several rows may show one item); `judgements`: query id, item id, grade."""
        self._item_ids = item_ids
        self._judgements = judgements
        self._rows: dict[str, list[int]] = {}
        for row, item_id in enumerate(item_ids):
            self._rows.setdefault(item_id, []).append(row)

    def grades(self, queries: IntArray, gallery: IntArray) -> Grades:
        """See `Relevance.grades`."""
        result = np.zeros((len(queries), len(gallery)), dtype=np.int8)
        for line, query in zip(result, queries.tolist(), strict=True):
            everywhere = np.zeros(len(self._item_ids), dtype=np.int8)
            for item_id, grade in self._judgements.get(self._item_ids[query], {}).items():
                everywhere[self._rows.get(item_id, [])] = grade
            line[:] = everywhere[gallery]
        return result


def numbered(values: Sequence[Hashable | None]) -> IntArray:
    """Equal values get equal numbers (n,), from 0 on in the order they come; None gets NOTHING."""
    numbers: dict[Hashable, int] = {}
    codes = [NOTHING if value is None else numbers.setdefault(value, len(numbers)) for value in values]
    return np.array(codes, dtype=np.int64)


def _same(codes: IntArray, queries: IntArray, gallery: IntArray) -> npt.NDArray[np.int8]:
    asked, shown = codes[queries][:, None], codes[gallery][None, :]
    same: npt.NDArray[np.int8] = ((asked == shown) & (asked != NOTHING)).astype(np.int8)
    return same
