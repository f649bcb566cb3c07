"""Lines that say the same again and again are said now and then, with a count; all others are said."""

import logging

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from schemas.log_damping import MOST_KEYS, DampedEvents, DampedRecords, Damper


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 3)), max_size=60))
def test_every_line_is_said_or_counted_and_none_of_a_kind_too_soon(lines: list[tuple[int, float]]) -> None:
    clock = Clock()
    damper = Damper(5.0, clock)
    last: dict[int, float] = {}
    counted: dict[int, int] = {}
    for kind, wait_s in lines:
        clock.now_s += wait_s
        kept_back = damper.passes(kind)
        if kept_back is None:
            assert clock.now_s - last[kind] < 5.0
            counted[kind] += 1
        else:
            assert kind not in last or clock.now_s - last[kind] >= 5.0
            assert kept_back == counted.get(kind, 0)
            last[kind], counted[kind] = clock.now_s, 0


def test_it_remembers_a_bounded_number_of_kinds() -> None:
    damper = Damper(5.0, Clock())
    for kind in range(3 * MOST_KEYS):
        assert damper.passes(kind) == 0
    assert len(damper._said) == MOST_KEYS


def test_a_talkative_library_is_damped_and_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    damped = DampedRecords(["aiokafka"], Damper(5.0, clock))
    caplog.handler.addFilter(damped)
    flood, other, ours = (logging.getLogger(name) for name in ("aiokafka.conn", "aiokafka", "lookalive"))
    for node in range(10):
        flood.error("Unable connect to node with id %s: %s", node, "refused")
    other.error("Unable connect to node with id %s: %s", 1, "refused")
    flood.error("something else")
    for _ in range(3):
        ours.error("again")
    clock.now_s = 6.0
    flood.error("Unable connect to node with id %s: %s", 10, "refused")
    caplog.handler.removeFilter(damped)
    assert [record.getMessage() for record in caplog.records] == [
        "Unable connect to node with id 0: refused",
        "Unable connect to node with id 1: refused",
        "something else",
        *["again"] * 3,
        "Unable connect to node with id 10: refused (9 more like it were not said)",
    ]


def test_our_own_warnings_are_damped_where_they_are_the_very_same() -> None:
    clock, said = Clock(), []
    processor = DampedEvents(Damper(5.0, clock))

    def say(method: str, **event: object) -> None:
        try:
            said.append(processor(None, method, dict(event)))
        except structlog.DropEvent:
            return

    for _ in range(3):
        say("warning", event="shard_waits", shard=1)
        say("error", event="failed")
    say("warning", event="shard_waits", shard=2)
    clock.now_s = 5.0
    say("warning", event="shard_waits", shard=1)
    assert said == [
        {"event": "shard_waits", "shard": 1},
        *[{"event": "failed"}] * 3,
        {"event": "shard_waits", "shard": 2},
        {"event": "shard_waits", "shard": 1, "not_said": 2},
    ]
