"""What a long load says of itself, and how it counts what is on its way."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ops.load_display import LINE_EVERY_S, SHOW_EVERY_S, LoadDisplay, duration
from ops.load_lag import Lag, PromptLag, unapplied
from schemas.cluster import ClusterView, Generation, Placement
from schemas.node_status import ShardStatus


class Clock:
    def __init__(self) -> None:
        self.time_s = 100.0

    def __call__(self) -> float:
        return self.time_s


def display(terminal: bool) -> tuple[LoadDisplay, Clock, io.StringIO]:
    clock, said = Clock(), io.StringIO()
    return LoadDisplay(Console(file=said, force_terminal=terminal, width=160), clock), clock, said


def test_plain_lines_where_there_is_no_terminal() -> None:
    shown, clock, said = display(terminal=False)
    shown.begin("sending", 1_000_000, 2_000)
    clock.time_s += LINE_EVERY_S - 0.1
    assert not shown.due()
    clock.time_s += 0.1
    assert shown.due()
    shown.show(12_000, "11,400 applied")
    assert not shown.due()
    assert said.getvalue() == ("sending: 12,000 of 1,000,000 rows (1 %), 2,000/s, about 8 min left; 11,400 applied\n")


def test_a_total_that_nobody_knows_is_left_out() -> None:
    shown, clock, said = display(terminal=False)
    shown.begin("sending", None)
    clock.time_s += 10
    shown.show(50)
    assert said.getvalue() == "sending: 50 rows, 5/s\n"


def test_a_load_that_is_over_at_once_says_nothing_on_the_way() -> None:
    shown, _, said = display(terminal=False)
    shown.begin("sending", 3)
    shown.end(3, "3 applied")
    assert said.getvalue() == ""


def test_one_line_is_kept_current_on_a_terminal() -> None:
    shown, clock, said = display(terminal=True)
    shown.begin("sending", 100)
    clock.time_s += SHOW_EVERY_S
    assert shown.due()
    shown.show(40)
    clock.time_s += SHOW_EVERY_S
    shown.end(100, "90 applied")
    shown.stop()
    shown.stop()
    assert "sending: 100 of 100 rows (100 %), 250/s, about 0 s left; 90 applied" in said.getvalue()


@pytest.mark.parametrize(
    ("seconds", "words"), [(8.4, "8 s"), (119, "119 s"), (120, "2 min"), (3599, "60 min"), (7500, "2 h 05 min")]
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_what_is_on_its_way_counts_the_longer_of_both_ways() -> None:
    lag = Lag(changes=100, unmerged=10, unembedded=5, unapplied_vectors=7, unapplied_states=3)
    assert (lag.waiting, lag.done) == (22, 78)
    assert lag._replace(unapplied_states=30).waiting == 40
    assert lag.slowest() == "merged"
    assert lag._replace(unapplied_states=30).slowest() == "applied"


def test_of_each_shard_the_slowest_replica_that_answers_counts() -> None:
    view = ClusterView()
    view.apply(Generation(name="g", model="fake", fingerprint="f", dimension=8, shards=2, status="serving"))
    view.apply(Placement(epoch=1, writer="w", serving="g", shards={"g": [["a", "b"], ["c"]]}))

    def shard(number: int, *done: int) -> ShardStatus:
        applied = {"t": dict(zip(range(number, 4, 2), done, strict=True))}
        counts = dict.fromkeys(("items", "graph_vectors", "buffer_vectors", "dead_vectors", "size_bytes"), 0)
        return ShardStatus(generation="g", shard=number, state="serving", applied=applied, lag={}, **counts)

    ends = {"t": dict.fromkeys(range(4), 10)}
    both = {("a", 0): shard(0, 10, 9), ("b", 0): shard(0, 5, 10), ("c", 1): shard(1, 10, 8)}
    assert unapplied(view, both, ends) == {"t": 7}
    assert unapplied(view, {key: both[key] for key in [("a", 0), ("c", 1)]}, ends) == {"t": 3}
    assert unapplied(view, {}, ends) == {"t": 0}


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(0, 1), st.integers(0, 3), st.booleans()), min_size=1, max_size=40
    )
)
def test_the_lag_is_known_before_readers_commit_it(steps: list[tuple[int, int, int, bool]]) -> None:
    """Readers take `share` of what waits; of what they take, a few records are answered by none."""
    prompt = PromptLag()
    written = taken = answered = committed = lost = 0
    for at, (more, unanswered, share, commits) in enumerate(steps):
        written += more
        turn = (written - taken) * share // 3
        lost += min(unanswered, turn)
        answered += turn - min(unanswered, turn)
        taken += turn
        committed = taken if commits else committed
        found = prompt.estimate(at * 0.1, written, answered, written - committed)
        assert 0 <= found <= written - committed
        assert found >= written - taken
        assert found - (written - taken) <= lost or not any(s[3] for s in steps[: at + 1])
