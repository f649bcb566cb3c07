"""Predicates on whole arrays of codes: equal to one of a few, between two bounds."""

import math
from collections.abc import Sequence

import numpy as np

from index_shards.attribute_bitmaps import Mask
from index_shards.attribute_codes import Predicate
from index_shards.attribute_rows import CodeArray

FEW = 8
TABLE_BITS = 16
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing: 2**64 by the golden ratio
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
BEYOND_INT64 = 2**64


def among(values: Sequence[int] | Sequence[float], dtype: str) -> Predicate:
    """The predicate for being one of these codes: a few by comparing, many by a table of hashes and a binary search."""
    if len(values) <= FEW:
        return lambda codes: _one_of_few(codes, values)
    sought = np.unique(np.array(values, dtype))
    table = np.zeros(1 << TABLE_BITS, np.bool_)
    table[_slots(sought)] = True

    def passes(codes: CodeArray) -> Mask:
        passed = table[_slots(codes)]
        rows = np.flatnonzero(passed)
        maybe = codes[rows]
        places = np.minimum(sought.searchsorted(maybe), len(sought) - 1)
        passed[rows] = sought[places] == maybe
        return passed

    return passes


def float_range(comparisons: Sequence[tuple[str, int | float]]) -> Predicate | None:
    """The predicate for floats that pass every comparison; None when none can.

    A bound that is no float lies between two neighbours, and the nearer one is what `float` gives: whether that
    is itself still inside is decided by Python's exact comparison.
    """
    low, high = -math.inf, math.inf
    for name, bound in comparisons:
        nearest = _nearest(bound)
        if name in ("lt", "lte"):
            inside = nearest < bound or (name == "lte" and nearest == bound)
            if not inside and nearest == -math.inf:
                return None
            high = min(high, nearest if inside else math.nextafter(nearest, -math.inf))
        else:
            inside = nearest > bound or (name == "gte" and nearest == bound)
            if not inside and nearest == math.inf:
                return None
            low = max(low, nearest if inside else math.nextafter(nearest, math.inf))
    return _between(low, high) if low <= high else None


def integer_range(comparisons: Sequence[tuple[str, int | float]]) -> Predicate | None:
    """The predicate for int64 codes other than 0 (which is absent) that pass every comparison; None when none can."""
    low, high = INT64_MIN, INT64_MAX
    for name, bound in comparisons:
        below, above = _integers_around(bound)
        if name == "lt":
            high = min(high, above - 1)
        elif name == "lte":
            high = min(high, below)
        elif name == "gt":
            low = max(low, below + 1)
        else:
            low = max(low, above)
    if low > high:
        return None
    return lambda codes: (codes >= low) & (codes <= high) & (codes != 0)


def _one_of_few(codes: CodeArray, values: Sequence[int] | Sequence[float]) -> Mask:
    passed: Mask = np.zeros(len(codes), np.bool_) if not values else codes == values[0]
    for value in values[1:]:
        passed |= codes == value
    return passed


def _slots(codes: CodeArray) -> CodeArray:
    slots: CodeArray = (codes.view(np.uint64) * MULTIPLIER) >> np.uint64(64 - TABLE_BITS)
    return slots


def _between(low: float, high: float) -> Predicate:
    if high == math.inf:
        return lambda codes: codes >= low
    if low == -math.inf:
        return lambda codes: codes <= high
    return lambda codes: (codes >= low) & (codes <= high)


def _nearest(bound: int | float) -> float:
    try:
        return float(bound)
    except OverflowError:
        return math.inf if bound > 0 else -math.inf


def _integers_around(bound: int | float) -> tuple[int, int]:
    if math.isinf(bound) if isinstance(bound, float) else abs(bound) > BEYOND_INT64:
        beyond = BEYOND_INT64 if bound > 0 else -BEYOND_INT64
        return beyond, beyond
    return math.floor(bound), math.ceil(bound)
