"""Filters on attributes: parsing, and the reference meaning that every faster way is tested against.

A filter is a mapping of attribute to condition; all must hold. A condition is a value (equality) or a mapping of
operators: lt, lte, gt, gte (numbers), in (a list), not (a value, a list member test or another condition). `or` and
`and` take lists of filters. Values match by type and value: true is not 1, 1 is 1.0. A list-valued attribute matches
when one of its members does. An absent or null attribute fails everything but `not`.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from schemas.errors import InputError

Scalar = str | int | float | bool
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}
MAX_DEPTH = 8
MAX_CONDITIONS = 1000


class Condition(NamedTuple):
    """What one attribute must be: a member passes every comparison, is among `any_of`, and `none` fails for all.

    `any_of` is None where there is no equality to meet.
    """

    attribute: str
    comparisons: tuple[tuple[str, float], ...] = ()
    any_of: frozenset[tuple[str, Scalar]] | None = None
    none: "tuple[Condition, ...]" = ()


class Filter(NamedTuple):
    """All `conditions` hold, and of each group in `any_groups` at least one filter does."""

    conditions: tuple[Condition, ...] = ()
    any_groups: "tuple[tuple[Filter, ...], ...]" = ()

    def attributes(self) -> frozenset[str]:
        """Every attribute the filter names."""
        names = {c.attribute for c in self.conditions}
        for group in self.any_groups:
            for inner in group:
                names |= inner.attributes()
        return frozenset(names)


def parse_filter(raw: object) -> Filter:
    """The filter of this JSON value.

    Raises:
        InputError: `bad_filter`, naming the operator or operand that was not understood.
    """
    budget = [MAX_CONDITIONS]
    return _parse(raw, budget, 0)


def matches(wanted: Filter, attributes: Mapping[str, Any]) -> bool:
    """Whether an item with these attributes passes: the reference."""
    return all(_holds(c, attributes.get(c.attribute)) for c in wanted.conditions) and all(
        any(matches(inner, attributes) for inner in group) for group in wanted.any_groups
    )


def typed(value: Scalar) -> tuple[str, Scalar]:
    """A value with its JSON type, so that true and 1 differ while 1 and 1.0 do not."""
    if isinstance(value, bool):
        return "boolean", value
    return ("string", value) if isinstance(value, str) else ("number", value)


def _holds(condition: Condition, value: object) -> bool:
    members = [m for m in (value if isinstance(value, list) else [value]) if isinstance(m, Scalar)]
    positive = bool(condition.comparisons) or condition.any_of is not None
    if positive and not any(_member_passes(condition, m) for m in members):
        return False
    return not any(_holds(refused, value) for refused in condition.none)


def _member_passes(condition: Condition, member: Scalar) -> bool:
    if condition.any_of is not None and typed(member) not in condition.any_of:
        return False
    if not condition.comparisons:
        return True
    if isinstance(member, bool | str):
        return False
    return all(COMPARISONS[name](member, bound) for name, bound in condition.comparisons)


def _parse(raw: object, budget: list[int], depth: int) -> Filter:
    if not isinstance(raw, dict):
        raise _bad(f"a filter is a mapping of attribute to condition, not {_kind(raw)}")
    if depth > MAX_DEPTH:
        raise _bad(f"a filter nests at most {MAX_DEPTH} deep")
    conditions: list[Condition] = []
    groups: list[tuple[Filter, ...]] = []
    for name, value in raw.items():
        budget[0] -= 1
        if budget[0] < 0:
            raise _bad(f"a filter holds at most {MAX_CONDITIONS} conditions")
        if name in ("or", "and"):
            inner = _parse_list(name, value, budget, depth)
            groups.extend([inner] if name == "or" else [(one,) for one in inner])
        else:
            conditions.append(_condition(name, value))
    return Filter(tuple(conditions), tuple(groups))


def _parse_list(name: str, value: object, budget: list[int], depth: int) -> tuple[Filter, ...]:
    if not isinstance(value, list) or not value:
        raise _bad(f"`{name}` takes a list of at least one filter, not {_kind(value)}")
    return tuple(_parse(one, budget, depth + 1) for one in value)


def _condition(attribute: str, raw: object, depth: int = 0) -> Condition:
    if depth > MAX_DEPTH:
        raise _bad(f"{attribute}: `not` nests at most {MAX_DEPTH} deep")
    if not isinstance(raw, dict):
        return Condition(attribute, any_of=frozenset([typed(_scalar(attribute, raw))]))
    if not raw:
        raise _bad(f"{attribute}: a condition needs at least one operator")
    comparisons: list[tuple[str, float]] = []
    any_of: frozenset[tuple[str, Scalar]] | None = None
    none: list[Condition] = []
    for name, operand in raw.items():
        if name in COMPARISONS:
            comparisons.append((name, _number(attribute, name, operand)))
        elif name in ("in", "eq"):
            found = frozenset(
                typed(v) for v in (_list(attribute, operand) if name == "in" else [_scalar(attribute, operand)])
            )
            any_of = found if any_of is None else any_of & found
        elif name == "not":
            none.append(_condition(attribute, operand, depth + 1))
        else:
            raise _bad(
                f"{attribute}: unknown operator {name!r}; there are eq, in, not, lt, lte, gt, gte",
                operator=name,
            )
    return Condition(attribute, tuple(comparisons), any_of, tuple(none))


def _scalar(attribute: str, value: object) -> Scalar:
    if isinstance(value, Scalar):
        return value
    raise _bad(f"{attribute}: expected a string, a number or a boolean, not {_kind(value)}")


def _number(attribute: str, name: str, value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise _bad(f"{attribute}: `{name}` compares numbers, not {_kind(value)}")


def _list(attribute: str, value: object) -> list[Scalar]:
    if not isinstance(value, list) or not value:
        raise _bad(f"{attribute}: `in` takes a list of at least one value, not {_kind(value)}")
    return [_scalar(attribute, one) for one in value]


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _bad(message: str, **details: Any) -> InputError:
    return InputError(message, code="bad_filter", **details)
