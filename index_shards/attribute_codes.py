"""Which codes each item has: eight bytes an item where most items have one, rows where few do or some have several."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from pyroaring import BitMap

from index_shards.attribute_bitmaps import Mask, Numbers, bitmap_of, bitmap_of_mask, numbers_of
from index_shards.attribute_rows import Code, CodeArray, Codes, SparseRows

Predicate = Callable[[CodeArray], Mask]
DENSE_SHARE = 4  # one in so many numbers must have exactly one code
GATHER_SHARE = 16  # looking up one in so many places costs about as much as scanning all
MIN_DENSE = 64


class Tidied(Protocol):
    """What wants some work done between two changes."""

    def tidy(self) -> None:
        """Do it; called by the writer without the lock."""


@dataclass(slots=True, eq=False)
class Upkeep:
    """What the columns of one index share: its lock, and which of them are due for tidying."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    due: dict[Tidied, None] = field(default_factory=dict)


class CodeColumn:
    """The codes (numbers of one numpy type, `absent` for none) of every item.

    Starts as sparse rows and becomes a plain array over all item numbers when it is full enough; items with several
    codes stay in the rows. The writer holds the lock around `put` and `put_many`; `find` takes it for a moment.
    """

    def __init__(self, upkeep: Upkeep, dtype: str, absent: Code) -> None:
        self._upkeep = upkeep
        self._absent = absent
        self._dense: CodeArray | None = None
        self._sparse = SparseRows(dtype, absent)
        self._dtype = np.dtype(dtype)
        self._singles = 0
        self.count = 0

    @property
    def memory(self) -> int:
        """Bytes held, about."""
        return self._sparse.memory + (0 if self._dense is None else self._dense.nbytes)

    def get(self, number: int) -> Codes:
        """The codes of an item, as they were put."""
        if self._dense is not None and number < len(self._dense):
            code = self._dense.item(number)
            if code == code and code != self._absent:  # noqa: PLR0124  NaN is the absent float
                return (code,)
        return self._sparse.get(number) if self._sparse else ()

    def put(self, number: int, codes: Codes) -> Codes:
        """Give an item these codes, distinct and ascending; the codes it had."""
        before = self.get(number)
        if before == codes:
            return before
        self.count += bool(codes) - bool(before)
        self._singles += (len(codes) == 1) - (len(before) == 1)
        if self._dense is None:
            self._put_row(number, codes)
            return before
        if len(before) > 1 or len(codes) > 1:
            self._put_row(number, codes if len(codes) > 1 else ())
        if len(codes) == 1:
            if number >= len(self._dense):
                self._dense = self._grown(number)
            self._dense[number] = codes[0]
        elif len(before) == 1:
            self._dense[number] = self._absent
        return before

    def put_one(self, number: int, code: Code) -> Codes:
        """Give an item one code; the codes it had. A shorter way where it has one already."""
        dense = self._dense
        if dense is not None and number < len(dense):
            before = dense.item(number)
            if before == code:
                return (code,)
            if before == before and before != self._absent:  # noqa: PLR0124  NaN is the absent float
                dense[number] = code
                return (before,)
        return self.put(number, (code,))

    def put_many(self, owners: Numbers, codes: CodeArray) -> None:
        """Give items that have none the codes of these rows: shapes (n,), by item and code, each pair once."""
        self._sparse, singles, single_codes = self._with_several(owners, codes)
        self._singles += len(singles)
        if not len(singles):
            return
        highest = int(singles[-1])
        if self._dense is None and not self._sparse and len(singles) * DENSE_SHARE > highest:
            self._dense = np.full(MIN_DENSE, self._absent, self._dtype)
        if self._dense is None:
            self._sparse = self._sparse.merged((singles, single_codes))
            self._densify()
            return
        if highest >= len(self._dense):
            self._dense = self._grown(highest)
        self._dense[singles] = single_codes

    def find(self, passes: Predicate, within: BitMap | None) -> BitMap:
        """The items, among those `within`, with a code that passes the predicate, which must fail `absent`."""
        with self._upkeep.lock:
            dense = self._dense
            owners, codes, waiting_owners, waiting = self._sparse.view()
        found = BitMap()
        places = max(len(owners), 0 if dense is None else len(dense))
        wanted = None if within is None or len(within) * GATHER_SHARE > places else numbers_of(within)
        if dense is not None:
            found = _find_dense(dense, passes, wanted)
        if len(owners):
            found |= _find_rows(owners, codes, passes, wanted)
        if len(waiting_owners):
            found |= bitmap_of(waiting_owners[passes(waiting)])
        return found if within is None else found & within

    def tidy(self) -> None:
        """Put the rows in order, or into the array when there are enough."""
        rows = self._sparse.merged()
        with self._upkeep.lock:
            self._sparse = rows
        self._densify()

    def _put_row(self, number: int, codes: Codes) -> None:
        self._sparse.put(number, codes)
        if self._sparse.untidy:
            self._upkeep.due[self] = None

    def _with_several(self, owners: Numbers, codes: CodeArray) -> tuple[SparseRows, Numbers, CodeArray]:
        """The rows with those items added that have several codes, and the items that have one, and these."""
        single, items = _alone(owners)
        self.count += items
        if single.all():
            return self._sparse, owners, codes
        return self._sparse.merged((owners[~single], codes[~single])), owners[single], codes[single]

    def _densify(self) -> None:
        owners, codes, *_ = self._sparse.view()
        if self._dense is not None or not len(owners):
            return
        highest = int(owners[-1])
        if self._singles < MIN_DENSE or self._singles * DENSE_SHARE <= highest:
            return
        single, _ = _alone(owners)
        dense = np.full(highest + 1 + highest // 4, self._absent, self._dtype)
        dense[owners[single]] = codes[single]
        rows = SparseRows(self._dtype.str, self._absent, owners[~single], codes[~single])
        with self._upkeep.lock:
            self._dense, self._sparse = dense, rows

    def _grown(self, number: int) -> CodeArray:
        assert self._dense is not None
        grown = np.full(max(MIN_DENSE, number + 1 + number // 4), self._absent, self._dtype)
        grown[: len(self._dense)] = self._dense
        return grown


def _alone(owners: Numbers) -> tuple[Mask, int]:
    """Which rows are their item's only one, for item numbers in order, and how many items there are."""
    starts = np.flatnonzero(np.diff(owners, prepend=owners[:1] ^ np.uint32(1)))
    lengths = np.diff(starts, append=len(owners))
    return np.repeat(lengths == 1, lengths), len(starts)


def _find_dense(codes: CodeArray, passes: Predicate, wanted: Numbers | None) -> BitMap:
    if wanted is None or len(wanted) * GATHER_SHARE > len(codes):
        return bitmap_of_mask(passes(codes))
    known = wanted[: wanted.searchsorted(np.uint32(min(len(codes), 2**32 - 1)))]
    return bitmap_of(known[passes(codes[known])])


def _find_rows(owners: Numbers, codes: CodeArray, passes: Predicate, wanted: Numbers | None) -> BitMap:
    if wanted is None or len(wanted) * GATHER_SHARE > len(owners):
        return bitmap_of(owners[passes(codes)])
    first, last = owners.searchsorted(wanted, "left"), owners.searchsorted(wanted, "right")
    lengths = last - first
    rows = np.repeat(first - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
    return bitmap_of(owners[rows][passes(codes[rows])])
