"""The node's memory of what became searchable: bounded, in order, and honest about what it left out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index_shards.node.news_ring import REMEMBERED, SENT, NewsRing
from schemas.errors import InputError


def note(ring: NewsRing, number: int) -> None:
    ring.note(f"item-{number}", "new", "g1", 0, number, number + 5)


@given(st.lists(st.integers(0, 3 * SENT), max_size=6))
def test_listener_hears_each_change_once_and_is_told_what_it_missed(bursts: list[int]) -> None:
    ring, cursor, sent, heard, missed = NewsRing(), "", 0, [], 0
    cursor = ring.since(cursor).cursor
    for burst in bursts:
        for _ in range(burst):
            note(ring, sent)
            sent += 1
        answer = ring.since(cursor)
        assert len(answer.items) == min(burst, SENT)
        assert answer.missed == burst - len(answer.items)
        heard += [one.item_id for one in answer.items]
        cursor, missed = answer.cursor, missed + answer.missed
    assert len(heard) + missed == sent
    assert heard == sorted(set(heard), key=lambda name: int(name.removeprefix("item-")))


def test_first_question_gets_the_newest_and_nothing_was_missed() -> None:
    ring = NewsRing()
    for number in range(2 * REMEMBERED):
        note(ring, number)
    answer = ring.since("")
    assert [one.event_us for one in answer.items] == list(range(2 * REMEMBERED - SENT, 2 * REMEMBERED))
    assert answer.missed == 0


def test_cursor_of_another_run_begins_again() -> None:
    before, after = NewsRing(), NewsRing()
    for number in range(7):
        note(before, number)
    note(after, 1)
    answer = after.since(before.since("").cursor)
    assert [one.item_id for one in answer.items] == ["item-1"]
    assert answer.missed == 0


@pytest.mark.parametrize("cursor", ["x", "5", "-5", "run-", "run-x", "run-٣", "run--", f"run-{'9' * 30}"])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InputError, match="cursor"):
        NewsRing().since(cursor)
