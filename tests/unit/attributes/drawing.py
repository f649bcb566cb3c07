"""Attributes and filters drawn at random, and an index whose limits are so low that a handful of items crosses them."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from hypothesis import strategies as st

from index_shards import attribute_codes, attribute_columns, attribute_index, attribute_rows, attribute_sample
from schemas.filters import matches, parse_filter

NAMES = ["brand", "price", "tags", "größe", "", "or2"]
WORDS = ["", "a", "b", "c", "dress", "Dress", "ü", "u\u0308", "1", "true", "🧥", "\x00"]
NUMBERS = [
    *(0, 1, -1, 2, 3, 5, 0.5, 1.0, -0.0, 49.9, 1e300, -1e300, 5e-324),
    *(2**53 - 1, 2**53, 2**53 + 1, 2**53 + 2, 2.0**53, 2.0**53 + 2, -(2**53) - 1),
    *(2**63 - 1, 2**63, 2**63 + 1, 2.0**63, -(2**63), -(2**63) - 1, 2**64, 2**64 + 1, 2.0**64, 10**400, -(10**400)),
]
LOW_LIMITS = [
    (attribute_columns, "MAX_BITMAPS", 3),
    (attribute_columns, "MIN_BITMAP", 1),
    (attribute_rows, "MAX_PENDING", 2),
    (attribute_rows, "MIN_ROWS", 1),
    (attribute_codes, "MIN_DENSE", 2),
    (attribute_codes, "GATHER_SHARE", 3),
    (attribute_index, "BATCH", 3),
    (attribute_sample, "MIN_SAMPLE", 2),
    (attribute_sample, "MAX_SAMPLE", 8),
]
words = st.sampled_from(WORDS) | st.text(max_size=3)
numbers = st.sampled_from(NUMBERS) | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
scalars = words | numbers | st.booleans()
values = (
    scalars
    | st.none()
    | st.lists(scalars | st.none() | st.just({"a": 1}) | st.just(["a", 1]), max_size=4)
    | st.lists(st.sampled_from(["a", "b", 1, 5, True]), max_size=3)
    | st.sampled_from([{}, {"a": 1}])
)
names = st.sampled_from(NAMES)
item_attributes = st.dictionaries(names, values, max_size=5)


@st.composite
def conditions(draw: st.DrawFn, depth: int = 2) -> Any:
    """A condition as JSON."""
    kind = draw(st.sampled_from(["value", "between", "operators"]))
    if kind == "value":
        return draw(scalars)
    if kind == "between":
        return {
            draw(st.sampled_from(["gt", "gte"])): draw(numbers),
            draw(st.sampled_from(["lt", "lte"])): draw(numbers),
        }
    operators = draw(st.sets(st.sampled_from(["lt", "lte", "gt", "gte", "eq", "in", "not"]), min_size=1, max_size=3))
    condition: dict[str, Any] = {}
    for name in sorted(operators):
        if name == "not":
            condition[name] = draw(conditions(depth - 1)) if depth else draw(scalars)
        elif name == "in":
            condition[name] = draw(st.lists(scalars, min_size=1, max_size=12))
        else:
            condition[name] = draw(scalars if name == "eq" else numbers)
    return condition


@st.composite
def filters(draw: st.DrawFn, depth: int = 2) -> dict[str, Any]:
    """A filter as JSON."""
    wanted = draw(st.dictionaries(names | st.just("nobody has it"), conditions(), max_size=3))
    for group in sorted(draw(st.sets(st.sampled_from(["or", "and"])))) if depth else ():
        wanted[group] = draw(st.lists(filters(depth - 1), min_size=1, max_size=3))
    return wanted


@contextmanager
def low_limits() -> Iterator[None]:
    """Makes every limit at which the index changes its ways a handful of items, for as long as the context lasts."""
    with ExitStack() as stack:
        for module, name, value in LOW_LIMITS:
            stack.enter_context(mock.patch.object(module, name, value))
        yield


def expected(wanted: dict[str, Any], items: Mapping[int, Mapping[str, Any]]) -> set[int]:
    """The items that pass by the reference."""
    parsed = parse_filter(wanted)
    return {number for number, attributes in items.items() if matches(parsed, attributes)}
