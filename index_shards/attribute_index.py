"""Which items pass a filter, found from their attributes without looking at each item."""

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from pyroaring import BitMap

from index_shards.attribute_bitmaps import bitmap_bytes, bitmap_of
from index_shards.attribute_codes import Upkeep
from index_shards.attribute_field import Field
from index_shards.attribute_sample import Sample
from schemas.filters import Condition, Filter

CHANGES_KEPT = 4096
ATTEMPTS = 3
BATCH = 1 << 16


@dataclass(slots=True, eq=False)
class Shape:
    """The names of the attributes of some items, and how many items have just these."""

    names: tuple[str, ...]
    items: int = 0


class AttributeIndex:
    """Attributes of items by item number, made to be changed while it is searched.

    Numbers are below 2**32 and memory goes by the highest one, so that numbers of items that went should be used
    again. `select` gives what `schemas.filters.matches` gives on every item. An item's old values are known from the
    columns, about 8 bytes each, so that nobody has to hand them in; no strings are kept, only their 64-bit hashes.

    One thread may change it while any number select: no lock is needed from outside. A search takes the inner lock
    for moments, scans without it, and at its end looks again at the items that changed meanwhile: its answer is true
    of the moment at which it returns, and a change that returned before it began is in it.
    """

    def __init__(self) -> None:
        self._upkeep = Upkeep()
        self._lock = self._upkeep.lock
        self._fields: dict[str, Field] = {}
        self._items = BitMap()
        self._sample = Sample()
        self._shapes: dict[tuple[str, ...], Shape] = {}
        self._shape_of: list[Shape | None] = []
        self._changes = 0
        self._changed: deque[int] = deque(maxlen=CHANGES_KEPT)

    def __contains__(self, number: int) -> bool:
        return number < len(self._shape_of) and self._shape_of[number] is not None

    @property
    def count(self) -> int:
        """How many items there are."""
        return len(self._items)

    @property
    def memory(self) -> int:
        """Bytes held, about."""
        with self._lock:
            own = bitmap_bytes(self._items) + bitmap_bytes(self._sample.items) + 8 * len(self._shape_of)
            names = sum(150 + 8 * len(names) for names in self._shapes)
            fields = list(self._fields.values())
        return own + names + sum(field.memory for field in fields)

    def set(self, number: int, attributes: Mapping[str, Any] | None) -> None:
        """Give an item these attributes in the place of those it has; None removes the item."""
        self._tidy()
        with self._lock:
            self._changed.append(number)
            self._changes += 1
            before = self._shape_of[number] if number < len(self._shape_of) else None
            shape = None if attributes is None else self._shape(tuple(attributes))
            if shape is not before:
                self._reshape(number, before, shape)
            for name, value in (attributes or {}).items():
                self._fields[name].put(number, value)

    def add_many(self, items: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
        """Give many items their attributes, several times as fast as `set` where they are new.

        Searches wait for a batch of 65,536 items at a time.
        """
        batch: dict[int, Mapping[str, Any]] = {}
        for number, attributes in items:
            if number in self:
                self.set(number, attributes)
                continue
            batch[number] = attributes
            if len(batch) >= BATCH:
                self._add_batch(batch)
                batch = {}
        if batch:
            self._add_batch(batch)

    def select(self, wanted: Filter) -> BitMap:
        """The numbers of the items that pass, as a bitmap of the caller's own."""
        for _ in range(ATTEMPTS):
            with self._lock:
                start = self._changes
            passed = self._passing(wanted, None)
            with self._lock:
                changed = self._changes - start
                if changed <= len(self._changed):
                    return self._corrected(passed, wanted, changed)
        with self._lock:
            return self._passing(wanted, None)

    def estimate(self, wanted: Filter) -> float:
        """The share of the items that pass, 0 to 1 (0 of no items), from a sample in a fraction of a millisecond.

        Exact up to 2,048 items, for one equality on a boolean or on a string that has a bitmap, and for no filter.
        Otherwise the filter is evaluated on a fair sample of m >= 2,048 items: the standard error is
        sqrt(p (1 - p) / m), at most 0.011, where p is the share. Known counts of top-level conditions bound it.
        """
        with self._lock:
            count, sample = len(self._items), self._sample.items.copy()
        if not count or not sample:
            return 0.0
        known = [(c, self._bound(c)) for c in wanted.conditions if _positive(c)]
        if len(known) == len(wanted.conditions) == 1 and not wanted.any_groups:
            only, bound = known[0]
            if bound is not None and not only.none and len(only.any_of or ()) == 1:
                return min(1.0, bound / count)
        share = len(self._passing(wanted, sample)) / len(sample)
        return min([share, *(bound / count for _, bound in known if bound is not None)])

    def unknown(self, wanted: Filter) -> list[str]:
        """The attributes the filter names that no item has, sorted; an item with a null has the attribute."""
        return sorted(name for name in wanted.attributes() if name not in self._fields)

    def _passing(self, wanted: Filter, within: BitMap | None) -> BitMap:
        """The items that pass among those `within` (None: all), cheapest and rarest conditions first."""
        passed = within
        for condition in sorted(wanted.conditions, key=self._cost):
            passed = self._holding(condition, self._fields.get(condition.attribute), passed)
            if not passed:
                return passed
        for group in wanted.any_groups:
            found = BitMap()
            for inner in group:
                found |= self._passing(inner, passed)
            passed = found
        return self._everything() if passed is None else passed

    def _holding(self, condition: Condition, field: Field | None, within: BitMap | None) -> BitMap:
        if _positive(condition):
            passed = field.find(condition, within) if field is not None else BitMap()
        else:
            passed = self._everything() if within is None else within
        for refused in condition.none:
            if passed:
                passed = passed - self._holding(refused, field, passed)
        return passed

    def _everything(self) -> BitMap:
        with self._lock:
            return self._items.copy()

    def _corrected(self, passed: BitMap, wanted: Filter, changed: int) -> BitMap:
        if not changed:
            return passed
        touched = BitMap(list(islice(reversed(self._changed), changed)))
        return (passed - touched) | self._passing(wanted, touched & self._items)

    def _cost(self, condition: Condition) -> float:
        if not _positive(condition):
            return math.inf
        bound = self._bound(condition)
        return len(self._items) if bound is None else bound

    def _bound(self, condition: Condition) -> int | None:
        field = self._fields.get(condition.attribute)
        return field.bound(condition) if field is not None else 0

    def _shape(self, names: tuple[str, ...]) -> Shape:
        shape = self._shapes.get(names)
        if shape is None:
            shape = self._shapes[names] = Shape(names)
        return shape

    def _reshape(self, number: int, before: Shape | None, shape: Shape | None) -> None:
        """Take an item out of one shape and into another, and clear the values of attributes it no longer has."""
        names = shape.names if shape is not None else ()
        kept = set(names)
        if shape is not None:
            self._enter(number, shape)
            self._count_in(shape, 1)
        for name in before.names if before is not None else ():
            field = self._fields[name]
            field.items -= 1
            if name not in kept:
                field.put(number, None)
            if not field.items:
                del self._fields[name]
        if before is not None:
            before.items -= 1
            if not before.items:
                del self._shapes[before.names]
        if shape is None and before is not None:
            self._shape_of[number] = None
            self._items.discard(number)
            self._sample.discard(number, self._items)
        elif shape is not None and before is None:
            self._items.add(number)
            self._sample.add(number)

    def _enter(self, number: int, shape: Shape) -> None:
        if number >= len(self._shape_of):
            self._shape_of.extend([None] * (number + 1 - len(self._shape_of)))
        self._shape_of[number] = shape

    def _count_in(self, shape: Shape, items: int) -> None:
        shape.items += items
        for name in shape.names:
            field = self._fields.get(name)
            if field is None:
                field = self._fields[name] = Field(self._upkeep)
            field.items += items

    def _add_batch(self, batch: Mapping[int, Mapping[str, Any]]) -> None:
        self._tidy()
        members: dict[tuple[str, ...], list[int]] = {}
        for number, attributes in batch.items():
            members.setdefault(tuple(attributes), []).append(number)
        numbers: dict[str, list[int]] = {}
        values: dict[str, list[Any]] = {}
        with self._lock:
            self._changes += len(self._changed) + 1
            self._changed.clear()
            for names, of_shape in members.items():
                shape = self._shape(names)
                self._count_in(shape, len(of_shape))
                for number in of_shape:
                    self._enter(number, shape)
                for name in names:
                    numbers.setdefault(name, []).extend(of_shape)
                    values.setdefault(name, []).extend([batch[number][name] for number in of_shape])
            for name, of_field in numbers.items():
                self._fields[name].put_many(np.array(of_field, np.uint32), values[name])
            new = bitmap_of(np.fromiter(batch, np.uint32, len(batch)))
            self._items |= new
            self._sample.add_many(new)

    def _tidy(self) -> None:
        while self._upkeep.due:
            column, _ = self._upkeep.due.popitem()
            column.tidy()


def _positive(condition: Condition) -> bool:
    return bool(condition.comparisons) or condition.any_of is not None
