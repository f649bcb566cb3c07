"""The attribute index beside a dictionary of items: every filter selects what the reference meaning does."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from index_shards.attribute_index import AttributeIndex
from schemas.filters import parse_filter
from tests.unit.attributes.drawing import expected, filters, item_attributes, low_limits

item_numbers = st.integers(0, 12) | st.sampled_from([63, 64, 65_535, 65_536, 70_000])


class AttributeIndexMachine(RuleBasedStateMachine):
    """Items come, change, and go; any filter may be asked at any time."""

    asked = Bundle("asked")

    def __init__(self) -> None:
        super().__init__()
        self.index = AttributeIndex()
        self.items: dict[int, Mapping[str, Any]] = {}

    @rule(number=item_numbers, attributes=item_attributes)
    def put(self, number: int, attributes: dict[str, Any]) -> None:
        self.index.set(number, attributes)
        self.items[number] = attributes

    @rule(number=item_numbers, attributes=item_attributes)
    def patch(self, number: int, attributes: dict[str, Any]) -> None:
        self.put(number, {**self.items.get(number, {}), **attributes})

    @rule(items=st.lists(st.tuples(item_numbers, item_attributes), max_size=8))
    def put_many(self, items: list[tuple[int, dict[str, Any]]]) -> None:
        self.index.add_many(iter(items))
        self.items.update(items)

    @rule(number=item_numbers)
    def remove(self, number: int) -> None:
        self.index.set(number, None)
        self.items.pop(number, None)

    @rule(target=asked, wanted=filters())
    def ask(self, wanted: dict[str, Any]) -> dict[str, Any]:
        self.check(wanted)
        return wanted

    @rule(wanted=asked)
    def ask_again(self, wanted: dict[str, Any]) -> None:
        self.check(wanted)

    @rule(data=st.data())
    def ask_for_what_is_there(self, data: st.DataObject) -> None:
        values = [
            (name, member)
            for attributes in self.items.values()
            for name, value in attributes.items()
            for member in (value if isinstance(value, list) else [value])
            if name not in ("or", "and") and isinstance(member, str | int | float)
        ]
        if values:
            name, value = data.draw(st.sampled_from(values))
            self.check({name: value})
            self.check({name: {"not": value}})

    def check(self, wanted: dict[str, Any]) -> None:
        parsed = parse_filter(wanted)
        assert set(self.index.select(parsed)) == expected(wanted, self.items)
        there = {name for attributes in self.items.values() for name in attributes}
        assert self.index.unknown(parsed) == sorted(parsed.attributes() - there)
        assert 0 <= self.index.estimate(parsed) <= 1

    @invariant()
    def all_items_are_counted(self) -> None:
        assert self.index.count == len(self.items)
        assert set(self.index.select(parse_filter({}))) == set(self.items)
        assert self.index.memory > 0


class LowLimitsMachine(AttributeIndexMachine):
    """The same where three values are too many for bitmaps and two items are enough for an array."""

    def __init__(self) -> None:
        super().__init__()
        self.lowered = ExitStack()
        self.lowered.enter_context(low_limits())

    def teardown(self) -> None:
        self.lowered.close()


checks = settings(max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
TestAsItIs = AttributeIndexMachine.TestCase
TestAsItIs.settings = checks
TestWithLowLimits = LowLimitsMachine.TestCase
TestWithLowLimits.settings = checks
