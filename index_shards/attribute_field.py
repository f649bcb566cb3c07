"""One attribute of all items: its values by type, and which items meet a condition on it."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, TypeVar

import numpy as np
from pyroaring import BitMap

from index_shards.attribute_bitmaps import Numbers, bitmap_bytes, bitmap_of
from index_shards.attribute_codes import Upkeep
from index_shards.attribute_columns import NumberColumn, WordColumn
from schemas.filters import COMPARISONS, Condition

T = TypeVar("T")


class Field:
    """The members of one attribute's values; `items` counts the items that have the attribute, null or not.

    A value's members of different types go to different columns: no member can meet a comparison and be a string, so
    that a condition's items are the union of what its parts find in each column.
    """

    def __init__(self, upkeep: Upkeep) -> None:
        self._upkeep = upkeep
        self._words: WordColumn | None = None
        self._numbers: NumberColumn | None = None
        self._truths: dict[bool, BitMap] = {}
        self.items = 0

    @property
    def memory(self) -> int:
        """Bytes held, about."""
        with self._upkeep.lock:
            truths = sum(bitmap_bytes(bitmap) for bitmap in self._truths.values())
        return truths + sum(column.memory for column in (self._words, self._numbers) if column is not None)

    def put(self, number: int, value: object) -> None:
        """Give an item this value in the place of the one it has; None, objects and empty lists have no members."""
        words, numbers, truths = _members(value)
        if words or self._words is not None:
            if self._words is None:
                self._words = WordColumn(self._upkeep)
            self._words.put(number, words)
        if numbers or self._numbers is not None:
            if self._numbers is None:
                self._numbers = NumberColumn(self._upkeep)
            self._numbers.put(number, numbers)
        if truths or self._truths:
            self._put_truths(number, truths)

    def put_many(self, numbers: Numbers, values: Sequence[Any]) -> None:
        """Give items that have no value one each; numbers distinct, shape (n,)."""
        types = set(map(type, values))
        if types == {str}:
            self._add_words(numbers, values)
        elif types <= {int, float}:
            self._add_numbers(numbers, values)
        elif types == {bool}:
            self._add_truths(numbers, values)
        else:
            words, figures, truths = zip(*map(_members, values), strict=True)
            self._add_words(*_rows(numbers, words))
            self._add_numbers(*_rows(numbers, figures))
            self._add_truths(*_rows(numbers, truths))

    def find(self, condition: Condition, within: BitMap | None) -> BitMap:
        """The items, among those `within`, with a member that meets the condition, its `none` aside."""
        if condition.any_of is None:
            return self._numbers.find_range(condition.comparisons, within) if self._numbers else BitMap()
        words, numbers, truths = _operands(condition)
        found = BitMap()
        if words and self._words is not None:
            found |= self._words.find(words, within)
        if numbers and self._numbers is not None:
            found |= self._numbers.find(numbers, within)
        with self._upkeep.lock:
            for truth in truths:
                bitmap = self._truths.get(truth, BitMap())
                found |= bitmap if within is None else bitmap & within
        return found

    def bound(self, condition: Condition) -> int | None:
        """At most so many items pass `find`, where that is known without a scan; for one value exactly so many."""
        words, numbers, truths = _operands(condition)
        if self._numbers is not None and (numbers or condition.any_of is None):
            return None
        bounds = [self._words.bound(word) for word in words] if self._words else []
        if None in bounds:
            return None
        return sum(bound for bound in bounds if bound) + sum(len(self._truths.get(truth, ())) for truth in truths)

    def _put_truths(self, number: int, truths: Sequence[bool]) -> None:
        for truth in (False, True):
            if truth in truths:
                self._truth(truth).add(number)
            elif truth in self._truths:
                self._truths[truth].discard(number)

    def _add_words(self, owners: Numbers, words: Sequence[str]) -> None:
        if not words:
            return
        if self._words is None:
            self._words = WordColumn(self._upkeep)
        self._words.put_many(owners, words)

    def _add_numbers(self, owners: Numbers, numbers: Sequence[int | float]) -> None:
        if not numbers:
            return
        if self._numbers is None:
            self._numbers = NumberColumn(self._upkeep)
        self._numbers.put_many(owners, numbers)

    def _add_truths(self, owners: Numbers, truths: Sequence[bool]) -> None:
        are = np.array(truths, np.bool_)
        for truth, rows in ((True, owners[are]), (False, owners[~are])):
            if len(rows):
                self._truths[truth] = self._truth(truth) | bitmap_of(rows)

    def _truth(self, truth: bool) -> BitMap:
        return self._truths.setdefault(truth, BitMap())


def _members(value: object) -> tuple[Sequence[str], Sequence[int | float], Sequence[bool]]:
    """A value's strings, numbers and booleans."""
    if isinstance(value, str):
        return (value,), (), ()
    if isinstance(value, bool):
        return (), (), (value,)
    if isinstance(value, int | float):
        return (), (value,), ()
    if not isinstance(value, list):
        return (), (), ()
    truths = [m for m in value if isinstance(m, bool)]
    numbers = [m for m in value if isinstance(m, int | float) and not isinstance(m, bool)]
    return [m for m in value if isinstance(m, str)], numbers, truths


def _rows(numbers: Numbers, members: Sequence[Sequence[T]]) -> tuple[Numbers, list[T]]:
    """Rows of item number and member, of the members of each item."""
    lengths = np.fromiter(map(len, members), np.int64, len(members))
    return np.repeat(numbers, lengths), list(chain.from_iterable(members))


def _operands(condition: Condition) -> tuple[Sequence[str], Sequence[int | float], Sequence[bool]]:
    """The values a member may equal, by type; where there are comparisons too, only numbers that pass them."""
    words, numbers, truths = _members([value for _, value in condition.any_of or ()])
    if condition.comparisons:
        return (), [n for n in numbers if all(COMPARISONS[c](n, bound) for c, bound in condition.comparisons)], ()
    return words, numbers, truths
