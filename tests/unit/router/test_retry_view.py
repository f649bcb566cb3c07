"""What a router remembers of items whose pictures are tried again."""

from query_router.retry_view import RetryView
from schemas.item_state import ImagePart, Stamp
from schemas.rejects import RejectOrigin
from schemas.retries import Retry


def retry(item_id: str = "a", version: int = 1, attempt: int = 1, generation: str = "g1") -> Retry:
    return Retry(
        item_id=item_id,
        generation=generation,
        image=ImagePart(stamp(version), ("http://host/1.jpg",)),
        attempt=attempt,
        not_before_us=attempt,
        first_failed_us=0,
        reason="image_unreachable",
        message="status 500",
        origin=RejectOrigin("items.state", 0, version, 0),
    )


def stamp(version: int) -> Stamp:
    return Stamp(version, 0, 0, 1)


def test_the_newest_attempt_of_the_newest_pictures_counts() -> None:
    view = RetryView()
    for one in (retry(attempt=1), retry(attempt=2), retry(attempt=1), retry(generation="g2", attempt=7)):
        view.add(one)
    held = view.of("g1", "a", stamp(1))
    assert held is not None
    assert (held.attempt, held.message) == (2, "status 500")
    view.add(retry(version=2))
    view.add(retry(version=1, attempt=9))
    assert view.of("g1", "a", stamp(1)) is None
    newest = view.of("g1", "a", stamp(2))
    assert newest is not None
    assert newest.attempt == 1


def test_memory_is_bounded_by_items() -> None:
    view = RetryView(max_items=2)
    for item_id in "abc":
        view.add(retry(item_id))
    assert [view.of("g1", item_id, stamp(1)) is None for item_id in "abc"] == [True, False, False]
