"""Pictures that wait for the disk are stored together, told apart again, and bounded."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress

import pytest

from schemas.changes import CatalogChange
from schemas.item_state import Origin
from streams.merge import Incoming
from streams.origin import ChangeRecord
from streams.picture_storing import JOB_BYTES, JOB_CHANGES, THREADS, PictureStoring, parts_of


def incoming(number: int, size_bytes: int = 10) -> Incoming:
    record = ChangeRecord(b"sku", b"x" * size_bytes, 0, number, 0, None)
    return Incoming(record, CatalogChange(op="upsert", item_id=f"sku-{number}"), Origin(0, number, 0))


class SlowStore:
    """Notes what it is asked to keep together, and keeps it once it is let."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.error: Exception | None = None
        self._open = threading.Event()

    def keep(self, changes: Sequence[Incoming]) -> list[Incoming]:
        self.calls.append([change.origin.offset for change in changes])
        self._open.wait(30)
        if self.error is not None:
            raise self.error
        return [change._replace(rewritten=True) for change in changes]

    def let(self) -> None:
        self._open.set()


@pytest.fixture
def store() -> Iterator[SlowStore]:
    store = SlowStore()
    yield store
    store.let()


async def busy(storing: PictureStoring, store: SlowStore) -> list[asyncio.Future[list[Incoming]]]:
    """One change in each thread."""
    answers = [answer for number in range(THREADS) for answer in await storing.begin([incoming(number)])]
    async with asyncio.timeout(30):
        while len(store.calls) < THREADS:  # noqa: ASYNC110  threads set no event of the loop
            await asyncio.sleep(0.001)
    return answers


async def test_what_comes_meanwhile_is_stored_together_and_answered_apart(store: SlowStore) -> None:
    storing = PictureStoring(store.keep)
    answers = await busy(storing, store)
    start = THREADS
    for count in (1, 3, 2):
        answers += await storing.begin([incoming(number) for number in range(start, start + count)])
        start += count
    assert len(store.calls) == THREADS
    store.let()
    stored = [[change.origin.offset for change in await answer] for answer in answers]
    assert [len(part) for part in stored] == [*[1] * THREADS, 1, 3, 2]
    assert [offset for part in stored for offset in part] == list(range(THREADS + 6))
    assert store.calls[THREADS:] == [list(range(THREADS, THREADS + 6))]
    storing.stop()


async def test_one_call_has_so_many_changes_and_so_many_bytes(store: SlowStore) -> None:
    storing = PictureStoring(store.keep)
    answers = await busy(storing, store)
    for number in range(2 * JOB_CHANGES):
        answers += await storing.begin([incoming(number)])
    for number in range(5):
        answers += await storing.begin([incoming(number, JOB_BYTES // 2)])
    store.let()
    await asyncio.gather(*answers)
    assert sorted(map(len, store.calls[THREADS:])) == [1, 2, 2, JOB_CHANGES, JOB_CHANGES]
    storing.stop()


async def test_what_a_call_raises_is_everybodys_and_the_next_call_is_made(store: SlowStore) -> None:
    storing = PictureStoring(store.keep)
    answers = await busy(storing, store)
    answers += await storing.begin([incoming(10)])
    answers += await storing.begin([incoming(11)])
    store.error = RuntimeError("spoilt")
    store.let()
    assert [str(error) for error in await asyncio.gather(*answers, return_exceptions=True)] == ["spoilt"] * len(answers)
    store.error = None
    (answer,) = await storing.begin([incoming(12)])
    assert [change.origin.offset for change in await answer] == [12]
    storing.stop()


async def test_who_goes_away_takes_nobody_elses_answer(store: SlowStore) -> None:
    storing = PictureStoring(store.keep)
    await busy(storing, store)
    (gone,) = await storing.begin([incoming(10)])
    (stays,) = await storing.begin([incoming(11)])
    gone.cancel()
    store.let()
    assert [change.origin.offset for change in await stays] == [11]
    storing.stop()


async def test_an_end_answers_those_who_wait(store: SlowStore) -> None:
    storing = PictureStoring(store.keep)
    await busy(storing, store)
    (waits,) = await storing.begin([incoming(10)])
    storing.stop()
    with suppress(asyncio.CancelledError):
        await waits
    assert waits.cancelled()


def test_parts_keep_the_order() -> None:
    changes = [incoming(number, JOB_BYTES if number % 50 == 0 else 10) for number in range(150)]
    parts = parts_of(changes)
    assert [change for part, _ in parts for change in part] == changes
    assert all(len(part) <= JOB_CHANGES for part, _ in parts)
    assert [size for _, size in parts] == [sum(len(c.record.value or b"") for c in part) for part, _ in parts]
