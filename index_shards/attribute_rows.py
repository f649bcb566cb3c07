"""Codes of the few: rows of item number and code, for attributes that few items have and for lists."""

from typing import Any

import numpy as np
import numpy.typing as npt

from index_shards.attribute_bitmaps import Numbers

Code = int | float
Codes = tuple[Code, ...]
CodeArray = npt.NDArray[Any]
MAX_PENDING = 1024
MIN_ROWS = 64


class SparseRows:
    """Rows sorted by item number, 4 bytes and a code each; an item has one row per code.

    New items with the highest number so far are appended, a change that keeps the number of codes is written in
    place, and everything else waits in a small dictionary until `merged` is asked for. A row whose code is `absent`
    counts as not there. Arrays are only ever appended to or written one element at a time, so a view taken earlier
    stays readable.
    """

    def __init__(self, dtype: str, absent: Code, owners: Numbers | None = None, codes: CodeArray | None = None) -> None:
        self._absent = absent
        self._owners: Numbers = np.empty(0, np.uint32) if owners is None else owners
        self._codes: CodeArray = np.empty(0, dtype) if codes is None else codes
        self._size = len(self._owners)
        self._tidy_size = self._size
        self._dead = 0
        self._pending: dict[int, Codes] = {}
        self._pending_view: tuple[Numbers, CodeArray] | None = None

    def __bool__(self) -> bool:
        return bool(self._size or self._pending)

    @property
    def untidy(self) -> bool:
        """Whether it is time for `merged`: too much waits or is dead, or it grew by half since."""
        return (
            len(self._pending) > MAX_PENDING
            or self._dead > MIN_ROWS + self._size // 2
            or self._size > MIN_ROWS + self._tidy_size + self._tidy_size // 2
        )

    @property
    def memory(self) -> int:
        """Bytes held, about."""
        return self._owners.nbytes + self._codes.nbytes + 200 * len(self._pending)

    def get(self, number: int) -> Codes:
        """The codes of an item."""
        waiting = self._pending.get(number)
        if waiting is not None:
            return waiting
        first, last = self._span(number)
        if first == last:
            return ()
        return tuple(code for code in self._codes[first:last].tolist() if self._live(code))

    def put(self, number: int, codes: Codes) -> None:
        """Give an item these codes in the place of those it has."""
        first, last = self._span(number)
        if self._pending.pop(number, None) is not None:
            self._pending_view = None
        if last - first == len(codes):
            for row, code in enumerate(codes, first):
                self._codes[row] = code
            return
        self._codes[first:last] = self._absent
        self._dead += last - first
        if not codes:
            return
        if not self._size or number > self._owners[self._size - 1]:
            self._append(number, codes)
        else:
            self._pending[number] = codes
            self._pending_view = None

    def view(self) -> tuple[Numbers, CodeArray, Numbers, CodeArray]:
        """The rows as they are now: item numbers (ascending) and codes, then those of the rows that wait."""
        if self._pending_view is None:
            owners = [number for number, codes in self._pending.items() for _ in codes]
            waiting = [code for codes in self._pending.values() for code in codes]
            self._pending_view = np.array(owners, np.uint32), np.array(waiting, self._codes.dtype)
        return self._owners[: self._size], self._codes[: self._size], *self._pending_view

    def merged(self, more: tuple[Numbers, CodeArray] | None = None) -> "SparseRows":
        """A copy in order without dead rows, and with `more` rows of items that have none."""
        owners, codes, waiting_owners, waiting = self.view()
        live = codes == codes if np.isnan(self._absent) else codes != self._absent  # noqa: PLR0124
        parts = [(owners[live], codes[live]), (waiting_owners, waiting), *([more] if more else [])]
        all_owners = np.concatenate([part[0] for part in parts])
        all_codes = np.concatenate([part[1] for part in parts])
        order = np.argsort(all_owners, kind="stable")
        return SparseRows(codes.dtype.str, self._absent, all_owners[order], all_codes[order])

    def _live(self, code: Code) -> bool:
        return code == code and code != self._absent  # noqa: PLR0124  NaN is the absent float

    def _span(self, number: int) -> tuple[int, int]:
        owners, size = self._owners, self._size
        first = last = int(owners[:size].searchsorted(np.uint32(number)))
        while last < size and owners[last] == number:
            last += 1
        return first, last

    def _append(self, number: int, codes: Codes) -> None:
        end = self._size + len(codes)
        if end > len(self._owners):
            room = end + max(MIN_ROWS, end // 4)
            owners, rows = np.empty(room, np.uint32), np.empty(room, self._codes.dtype)
            owners[: self._size], rows[: self._size] = self._owners[: self._size], self._codes[: self._size]
            self._owners, self._codes = owners, rows
        self._owners[self._size : end] = number
        self._codes[self._size : end] = codes
        self._size = end
