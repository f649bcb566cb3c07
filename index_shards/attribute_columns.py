"""The values of one attribute by type: strings and numbers, each found by equality, numbers by range too."""

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from pyroaring import BitMap

from index_shards.attribute_bitmaps import Numbers, bitmap_bytes, bitmap_of
from index_shards.attribute_codes import CodeColumn, Upkeep
from index_shards.attribute_predicates import INT64_MAX, INT64_MIN, among, float_range, integer_range
from index_shards.attribute_rows import Code, CodeArray, Codes
from schemas.filters import COMPARISONS

MAX_BITMAPS = 1024
MIN_BITMAP = 1024  # items; a value with fewer has no bitmap once there are too many values for each to have one
EXACT_INTEGERS = 2**53
Number = int | float


def code_of_word(word: str) -> int:
    """A string's code: Python's keyed 64-bit hash, another in every process; 0 means absent.

    Two different strings share a code with a chance of 2**-64.
    """
    return hash(word) or 1


class WordColumn:
    """Strings: a code for each item, and a bitmap for each value while there are at most 1,024 of them.

    Beyond that only values of many items keep a bitmap, and one that a search asked for gets it (at the writer's next
    change); the others are found by a scan over the codes.
    """

    def __init__(self, upkeep: Upkeep) -> None:
        self._upkeep = upkeep
        self._codes = CodeColumn(upkeep, "<i8", 0)
        self._bitmaps: dict[Code, BitMap] = {}
        self._complete = True
        self._asked: dict[int, None] = {}

    @property
    def memory(self) -> int:
        """Bytes held, about."""
        with self._upkeep.lock:
            return self._codes.memory + sum(bitmap_bytes(bitmap) + 100 for bitmap in self._bitmaps.values())

    def put(self, number: int, words: Sequence[str]) -> None:
        """Give an item these strings in the place of those it has."""
        codes: Codes
        if len(words) == 1:
            codes = (code_of_word(words[0]),)
            before = self._codes.put_one(number, codes[0])
        else:
            codes = tuple(sorted({code_of_word(word) for word in words}))
            before = self._codes.put(number, codes)
        if before != codes:
            self._move(number, before, codes)

    def put_many(self, owners: Numbers, words: Sequence[str]) -> None:
        """Give items that have none the strings of these rows of item and string."""
        codes = np.fromiter(map(code_of_word, words), np.int64, len(words))
        owners, codes = distinct(owners, codes)
        self._codes.put_many(owners, codes)
        if not self._complete and not self._bitmaps:
            return
        order = np.argsort(codes, kind="stable")
        starts = np.flatnonzero(np.diff(codes[order], prepend=codes[order[:1]] ^ 1))
        for first, last in zip(starts.tolist(), [*starts[1:].tolist(), len(order)], strict=True):
            code = int(codes[order[first]])
            bitmap = self._bitmaps.get(code)
            if bitmap is None and not self._complete:
                continue
            found = bitmap_of(owners[order[first:last]])
            self._bitmaps[code] = found if bitmap is None else bitmap | found
            self._limit()

    def find(self, words: Iterable[str], within: BitMap | None) -> BitMap:
        """The items, among those `within`, that have one of these strings."""
        found = BitMap()
        missing = []
        with self._upkeep.lock:
            complete = self._complete
            for code in map(code_of_word, words):
                bitmap = self._bitmaps.get(code)
                if bitmap is None:
                    missing.append(code)
                else:
                    found |= bitmap if within is None else bitmap & within
        if missing and not complete:
            scanned = self._codes.find(among(missing, "<i8"), within)
            self._ask(missing, scanned)
            found |= scanned
        return found

    def bound(self, word: str) -> int | None:
        """How many items have this string, where that is known without a scan."""
        bitmap = self._bitmaps.get(code_of_word(word))
        if bitmap is not None:
            return len(bitmap)
        return 0 if self._complete else None

    def tidy(self) -> None:
        """Make the bitmaps that were asked for."""
        while self._asked:
            code, _ = self._asked.popitem()
            if code not in self._bitmaps and len(self._bitmaps) < MAX_BITMAPS:
                found = self._codes.find(among([code], "<i8"), None)
                with self._upkeep.lock:
                    self._bitmaps[code] = found

    def _ask(self, codes: list[int], found: BitMap) -> None:
        enough = max(MIN_BITMAP, self._codes.count // MAX_BITMAPS)
        if len(codes) == 1 and len(found) >= enough and len(self._bitmaps) < MAX_BITMAPS:
            self._asked[codes[0]] = None
            self._upkeep.due[self] = None

    def _move(self, number: int, before: Codes, codes: Codes) -> None:
        for code in before:
            bitmap = self._bitmaps.get(code)
            if bitmap is not None and code not in codes:
                bitmap.discard(number)
                if not bitmap:
                    del self._bitmaps[code]
        for code in codes:
            bitmap = self._bitmaps.get(code)
            if bitmap is not None:
                bitmap.add(number)
            elif self._complete:
                self._bitmaps[code] = BitMap([number])
                self._limit()

    def _limit(self) -> None:
        if len(self._bitmaps) > MAX_BITMAPS:
            enough = max(MIN_BITMAP, self._codes.count // MAX_BITMAPS)
            self._bitmaps = {code: bitmap for code, bitmap in self._bitmaps.items() if len(bitmap) >= enough}
            self._complete = False


class NumberColumn:
    """Numbers, compared as exactly as Python does.

    What a float holds exactly is kept as one; other 64-bit integers in a column of their own; and integers beyond
    that, which hardly occur, in a dictionary that is looked through one by one.
    """

    def __init__(self, upkeep: Upkeep) -> None:
        self._upkeep = upkeep
        self._floats = CodeColumn(upkeep, "<f8", math.nan)
        self._integers: CodeColumn | None = None
        self._huge: dict[int, tuple[int, ...]] = {}

    @property
    def memory(self) -> int:
        """Bytes held, about."""
        return self._floats.memory + (self._integers.memory if self._integers else 0) + 200 * len(self._huge)

    def put(self, number: int, values: Sequence[Number]) -> None:
        """Give an item these numbers in the place of those it has."""
        if self._integers is None and not self._huge and len(values) == 1 and exact_floats(values):
            self._floats.put_one(number, values[0] + 0.0)
            return
        floats, integers, huge = _by_size(values)
        self._floats.put(number, floats)
        if integers or self._integers is not None:
            if self._integers is None:
                self._integers = CodeColumn(self._upkeep, "<i8", 0)
            self._integers.put(number, integers)
        if huge:
            self._huge[number] = huge
        elif self._huge:
            self._huge.pop(number, None)

    def put_many(self, owners: Numbers, values: Sequence[Number]) -> None:
        """Give items that have none the numbers of these rows of item and number."""
        if exact_floats(values):
            self._floats.put_many(*distinct(owners, np.array(values, np.float64) + 0.0))
            return
        of_item: dict[int, list[Number]] = {}
        for number, value in zip(owners.tolist(), values, strict=True):
            of_item.setdefault(number, []).append(value)
        for number, several in of_item.items():
            self.put(number, several)

    def find(self, values: Iterable[Number], within: BitMap | None) -> BitMap:
        """The items, among those `within`, that have one of these numbers."""
        floats, integers, huge = _by_size(values)
        found = self._floats.find(among(floats, "<f8"), within) if floats else BitMap()
        if integers and self._integers is not None:
            found |= self._integers.find(among(integers, "<i8"), within)
        if huge and self._huge:
            found |= self._find_huge(lambda value: value in huge, within)
        return found

    def find_range(self, comparisons: Sequence[tuple[str, Number]], within: BitMap | None) -> BitMap:
        """The items, among those `within`, with a number that passes every one of the comparisons."""
        if any(math.isnan(bound) for _, bound in comparisons if isinstance(bound, float)):
            return BitMap()
        passes = float_range(comparisons)
        found = self._floats.find(passes, within) if passes else BitMap()
        if self._integers is not None:
            passes = integer_range(comparisons)
            found |= self._integers.find(passes, within) if passes else BitMap()
        if self._huge:
            found |= self._find_huge(lambda v: all(COMPARISONS[name](v, bound) for name, bound in comparisons), within)
        return found

    def _find_huge(self, passes: Callable[[int], bool], within: BitMap | None) -> BitMap:
        with self._upkeep.lock:
            found = BitMap([number for number, values in self._huge.items() if any(passes(v) for v in values)])
        return found if within is None else found & within


def distinct(owners: Numbers, codes: CodeArray) -> tuple[Numbers, CodeArray]:
    """These rows, each pair of item and code once, by item and code."""
    order = np.lexsort((codes, owners))
    owners, codes = owners[order], codes[order]
    new = np.ones(len(owners), np.bool_)
    new[1:] = (owners[1:] != owners[:-1]) | (codes[1:] != codes[:-1])
    return owners[new], codes[new]


def exact_floats(values: Sequence[Number]) -> bool:
    """Whether all of these are certain to be held exactly by floats."""
    return not any(v != v or (isinstance(v, int) and not -EXACT_INTEGERS <= v <= EXACT_INTEGERS) for v in values)  # noqa: PLR0124


def _by_size(values: Iterable[Number]) -> tuple[tuple[float, ...], tuple[int, ...], tuple[int, ...]]:
    floats, integers, huge = set(), set(), set()
    for value in values:
        if isinstance(value, float) or -EXACT_INTEGERS <= value <= EXACT_INTEGERS:
            if value == value:  # noqa: PLR0124  NaN equals nothing and passes no comparison
                floats.add(value + 0.0)
        elif _is_float(value):
            floats.add(float(value))
        elif INT64_MIN <= value <= INT64_MAX:
            integers.add(value)
        else:
            huge.add(value)
    return tuple(sorted(floats)), tuple(sorted(integers)), tuple(sorted(huge))


def _is_float(value: int) -> bool:
    try:
        return float(value) == value
    except OverflowError:
        return False
