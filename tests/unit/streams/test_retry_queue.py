"""The waiting retries of a worker: in time, one per item, nothing committed past what is not done."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.item_state import ImagePart, Stamp
from schemas.rejects import RejectOrigin
from schemas.retries import Retry
from streams.retry_queue import RetryQueue, Waiting

NEVER = 2**62


def retry(item_id: str = "a", version: int = 1, attempt: int = 1, not_before_us: int = 0) -> Retry:
    return Retry(
        item_id=item_id,
        generation="g1",
        image=ImagePart(Stamp(version, 0, 0, 1), ("http://host/1.jpg",)),
        attempt=attempt,
        not_before_us=not_before_us,
        first_failed_us=0,
        reason="image_unreachable",
        message="status 500",
        origin=RejectOrigin("items.state", 0, version, 0),
    )


def queue_of(*retries: Retry | None, window: int = 100, inherited: int = 0) -> RetryQueue:
    queue = RetryQueue(window)
    queue.assign(0, 0, inherited)
    for offset, one in enumerate(retries):
        queue.take(0, offset, one)
    return queue


def ids(waiting: list[Waiting]) -> list[tuple[str, int]]:
    return [(one.retry.item_id, one.offset) for one in waiting]


def test_those_due_come_in_the_order_of_their_times() -> None:
    queue = queue_of(retry("a", not_before_us=30), retry("b", not_before_us=10), retry("c", not_before_us=20))
    assert ids(queue.due(9, 10)) == []
    assert ids(queue.due(20, 1)) == [("b", 1)]
    assert ids(queue.due(100, 10)) == [("c", 2), ("a", 0)]
    assert queue.committable() == {0: 0}


def test_a_later_record_of_an_item_takes_the_place_of_the_earlier_one_and_an_older_one_does_not() -> None:
    queue = queue_of(retry(version=1, attempt=3), retry(version=2, attempt=1), retry(version=1, attempt=4))
    assert ids(queue.due(NEVER, 10)) == [("a", 1)]
    assert queue.committable() == {0: 1}


def test_the_next_attempt_does_not_free_the_one_that_still_runs() -> None:
    queue = queue_of(retry(attempt=1))
    [running] = queue.due(NEVER, 10)
    queue.take(0, 1, retry(attempt=2))
    assert queue.committable() == {0: 0}
    queue.finish(running)
    assert queue.committable() == {0: 1}
    assert ids(queue.due(NEVER, 10)) == [("a", 1)]


def test_what_is_put_off_keeps_its_record() -> None:
    queue = queue_of(retry("a"), None, retry("b"))
    first, second = queue.due(NEVER - 1, 10)
    queue.postpone(first, NEVER)
    queue.finish(second)
    assert (queue.due(NEVER - 1, 10), queue.committable(), len(queue)) == ([], {0: 0}, 1)
    assert ids(queue.due(NEVER, 10)) == [("a", 0)]


def test_inherited_records_wait_to_be_compared_with_the_newest_states() -> None:
    queue = queue_of(retry("a"), retry("b"), inherited=3)
    assert queue.to_examine(0) == [], "more of them may come"
    queue.take(0, 2, retry("a", version=2))
    assert queue.due(NEVER, 10) == []
    waiting = queue.to_examine(0)
    assert ids(waiting) == [("b", 1), ("a", 2)]
    queue.examined(waiting, {"b"})
    assert (ids(queue.due(NEVER, 10)), queue.committable(), queue.to_examine(0)) == ([("a", 2)], {0: 2}, [])


def test_a_full_partition_says_so_and_examines_what_it_has() -> None:
    queue = queue_of(retry("a"), retry("b"), window=2, inherited=100)
    assert (queue.full(0), queue.roomy(0)) == (True, False)
    waiting = queue.to_examine(0)
    assert ids(waiting) == [("a", 0), ("b", 1)]
    queue.examined(waiting, {"a"})
    assert (queue.full(0), queue.roomy(0), queue.read_next(0)) == (False, True, 2)


def test_a_partition_that_was_given_away_is_forgotten_and_read_anew() -> None:
    queue = queue_of(retry("a"))
    [running] = queue.due(NEVER, 10)
    queue.revoke(0)
    queue.assign(0, 0, 1)
    queue.take(0, 0, retry("a"))
    queue.finish(running)
    assert queue.committable() == {0: 0}, "an attempt from before says nothing about the partition as it is now"
    queue.examined(queue.to_examine(0), set())
    assert ids(queue.due(NEVER, 10)) == [("a", 0)]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.sampled_from("abc"), st.integers(1, 2), st.integers(1, 3), st.integers(0, 9)),
        st.tuples(st.just("due"), st.integers(0, 9)),
        st.tuples(st.just("finish"), st.integers(0, 5)),
        st.tuples(st.just("postpone"), st.integers(0, 5), st.integers(0, 9)),
        st.tuples(st.just("skip")),
    ),
    max_size=60,
)


@given(steps)
def test_nothing_is_committed_past_an_items_newest_record_that_is_not_done(steps: list[tuple[Any, ...]]) -> None:
    queue, running = queue_of(), list[Waiting]()
    offset, newest = 0, dict[str, tuple[tuple[int, int, int], bool]]()
    for step in steps:
        match step:
            case ("take", item_id, version, attempt, due_us):
                one = (version, attempt, offset)
                newest[item_id] = max(newest.get(item_id, ((0, 0, 0), False)), (one, False))
                queue.take(0, offset, retry(item_id, version, attempt, due_us))
                offset += 1
            case ("skip",):
                queue.take(0, offset, None)
                offset += 1
            case ("due", now_us):
                running += queue.due(now_us, 2)
            case ("postpone", n, until_us) if n < len(running):
                queue.postpone(running.pop(n), until_us)
            case ("finish", n) if n < len(running):
                done = running.pop(n)
                key = (done.retry.image.at.version, done.retry.attempt, done.offset)
                if newest[done.retry.item_id][0] == key:
                    del newest[done.retry.item_id]
                queue.finish(done)
        waiting = [order[2] for order, _ in newest.values()]
        committed = queue.committable()[0]
        assert committed <= offset
        assert all(committed <= one for one in waiting)
    running += queue.due(NEVER, 100)
    for one in running:
        queue.finish(one)
    running = queue.due(NEVER, 100)
    for one in running:
        queue.finish(one)
    assert (queue.committable(), len(queue)) == ({0: offset}, 0)
