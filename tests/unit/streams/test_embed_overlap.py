"""Batches of states that overlap: what is done is written, what hangs holds up nobody, and newer states win."""

import asyncio
from collections.abc import Sequence

import numpy as np

from embedder.model_queue import Embedded
from schemas.changes import CatalogChange
from schemas.errors import ImageRejected
from schemas.item_state import ItemState, Origin, Stamp, apply_change, encode_state
from schemas.retries import Retry, decode_retry, encode_retry
from schemas.retry_settings import RetrySettings
from schemas.vector_record import decode_vector_record
from streams.embed import EmbedHandler
from streams.embed_result import EmbedBatch, EmbedResults, StateRecord
from streams.in_flight import InFlight
from streams.retry_policy import RetryPolicy

DIMENSION = 4


class Gates:
    """An embedder whose pictures are done when a test says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.failing: set[str] = set()
        self.broken: set[str] = set()

    def gate(self, picture: str) -> asyncio.Event:
        return self.gates.setdefault(picture, asyncio.Event())

    async def embed(self, picture: str | bytes, /) -> Embedded:
        assert isinstance(picture, str)
        self.asked.append(picture)
        await self.gate(picture).wait()
        if picture in self.failing:
            raise ImageRejected("its host is away", code="image_unreachable", temporary=True)
        if picture in self.broken:
            raise ImageRejected("it is no picture", code="image_corrupt")
        vector = np.zeros(DIMENSION, dtype=np.float32)
        vector[0] = 1.0
        return Embedded(vector, picture.encode()[-16:].rjust(16), 30, 40, 2.0)


class Notes(dict[str, Stamp]):
    """A memo in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: set[str] = set()

    def waits(self, item_id: str) -> bool:
        return item_id in self.waiting

    def forget(self, item_id: str, as_of: Stamp) -> bool:
        return True


class Stream:
    """A handler, its memo, and what was written in which order."""

    def __init__(self) -> None:
        self.gates = Gates()
        self.notes = Notes()
        self.clock_us = 1_000_000
        policy = RetryPolicy(RetrySettings(attempts=3, first_s=1.0), lambda: self.clock_us, lambda: 0.0)
        results = EmbedResults("g1", "f" * 16, DIMENSION, policy)
        self.handler = EmbedHandler(DIMENSION, self.gates, self.notes, results)
        self.retries: list[Retry] = []
        self.written: list[tuple[str, int]] = []
        self.pictures: list[int] = []
        self.refused: list[str] = []
        self.outcomes: list[str] = []

    def begin(self, states: Sequence[ItemState]) -> asyncio.Task[None]:
        return asyncio.create_task(self._take(states))

    async def _take(self, states: Sequence[ItemState]) -> None:
        records = [StateRecord(encode_state(state), 0, n, 1) for n, state in enumerate(states)]
        async for part in self.handler.handle(records):
            self._keep(part)
            await asyncio.sleep(0)
            self.note(part)

    def note(self, part: EmbedBatch) -> None:
        self.notes.update(part.stamps | part.waits)
        self.notes.waiting = (self.notes.waiting | set(part.waits)) - set(part.stamps)

    async def again(self, retry: Retry) -> None:
        async with self.handler.again(retry) as part:
            assert part is not None
            self._keep(part)
            self.note(part)

    def _keep(self, part: EmbedBatch) -> None:
        self.written += [(w.item_id, decode_vector_record(w.value).image_at.version) for w in part.writes]
        self.pictures += [len(decode_vector_record(w.value).fingerprints) for w in part.writes]
        self.retries += [retry.retry for retry in part.retries]
        self.refused += [row.reason for row in part.rejects]
        for outcome, count in part.outcomes.items():
            self.outcomes += [outcome] * count


def state(item_id: str, version: int, *images: str, op: str = "upsert") -> ItemState:
    change = CatalogChange(op=op, item_id=item_id, images=images or None, version=version)  # type: ignore[arg-type]
    return apply_change(None, change, Origin(0, version, 1_000 + version))


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_what_is_done_is_written_while_the_rest_of_its_batch_hangs() -> None:
    stream = Stream()
    batch = stream.begin(
        [state("hangs", 1, "h"), state("a", 1, "a"), state("b", 1, "b"), state("gone", 1, op="delete")]
    )
    await settle()
    assert stream.written == [("gone", 1)]
    stream.gates.gate("b").set()
    await settle()
    stream.gates.gate("a").set()
    await settle()
    assert stream.written == [("gone", 1), ("b", 1), ("a", 1)]
    assert not batch.done()
    stream.gates.gate("h").set()
    await batch
    assert stream.written[-1] == ("hangs", 1)


async def test_a_newer_picture_ends_the_work_on_the_older_one() -> None:
    stream = Stream()
    older = stream.begin([state("a", 1, "old")])
    await settle()
    newer = stream.begin([state("a", 2, "new")])
    await settle()
    await older
    stream.gates.gate("old").set()
    stream.gates.gate("new").set()
    await newer
    assert stream.written == [("a", 2)]
    assert stream.outcomes == ["superseded", "embedded"]


async def test_a_delete_ends_the_work_on_the_picture_before_it() -> None:
    stream = Stream()
    older = stream.begin([state("a", 1, "old")])
    await settle()
    await stream.begin([state("a", 2, op="delete")])
    stream.gates.gate("old").set()
    await older
    assert stream.written == [("a", 2)]


async def test_an_older_result_that_is_ready_is_not_written_after_a_newer_state_came() -> None:
    stream = Stream()
    older = stream.begin([state("a", 1, "old"), state("b", 1, "b")])
    await settle()
    stream.gates.gate("new").set()
    newer = stream.begin([state("a", 2, "new")])
    stream.gates.gate("old").set()
    stream.gates.gate("b").set()
    await asyncio.gather(older, newer)
    assert [w for w in stream.written if w[0] == "a"][-1] == ("a", 2)
    assert stream.written.count(("a", 2)) == 1


async def test_the_same_pictures_are_not_begun_twice() -> None:
    stream = Stream()
    first = stream.begin([state("a", 1, "p")])
    await settle()
    second = stream.begin([state("a", 1, "p")])
    await second
    stream.gates.gate("p").set()
    await first
    assert (stream.gates.asked, stream.written, stream.outcomes) == (["p"], [("a", 1)], ["known", "embedded"])
    await stream.begin([state("a", 1, "p")])
    assert stream.gates.asked == ["p"]


async def test_what_failed_for_now_waits_and_is_tried_again() -> None:
    stream = Stream()
    stream.gates.gate("p").set()
    stream.gates.failing.add("p")
    await stream.begin([state("a", 1, "p")])
    assert (stream.written, stream.refused, stream.outcomes) == ([], [], ["waiting"])
    [retry] = stream.retries
    assert decode_retry(encode_retry(retry)) == retry
    assert (retry.item_id, retry.attempt, retry.not_before_us, retry.first_failed_us) == ("a", 1, 2_000_000, 1_000_000)
    await stream.begin([state("a", 1, "p")])
    assert stream.outcomes == ["waiting", "known"], "the item's next state does not try before its time"
    stream.gates.failing.clear()
    await stream.again(retry)
    assert (stream.written, stream.outcomes[2:]) == ([("a", 1)], ["embedded"])
    await stream.again(retry)
    assert (stream.outcomes[3:], stream.gates.asked) == (["known"], ["p", "p"])


async def test_the_last_attempt_ends_in_a_reject() -> None:
    stream = Stream()
    stream.gates.gate("p").set()
    stream.gates.failing.add("p")
    await stream.begin([state("a", 1, "p")])
    await stream.again(stream.retries[-1])
    assert [retry.attempt for retry in stream.retries] == [1, 2]
    assert [retry.not_before_us for retry in stream.retries] == [2_000_000, 3_000_000]
    assert stream.refused == []
    await stream.again(stream.retries[-1])
    assert (len(stream.retries), stream.refused, stream.outcomes[-1]) == (2, ["image_unreachable"], "rejected")
    assert not stream.notes.waits("a")


async def test_a_newer_picture_or_a_delete_supersedes_what_waits_without_a_fetch() -> None:
    stream = Stream()
    for gate in ("p", "new"):
        stream.gates.gate(gate).set()
    stream.gates.failing.add("p")
    await stream.begin([state("a", 1, "p"), state("b", 1, "p")])
    await stream.begin([state("a", 2, "new"), state("b", 2, op="delete")])
    stream.gates.asked.clear()
    stream.gates.failing.clear()
    for retry in stream.retries:
        await stream.again(retry)
    assert (stream.gates.asked, stream.outcomes[-2:]) == ([], ["known", "known"])
    assert sorted(stream.written) == [("a", 2), ("b", 2)]


async def test_a_newer_state_ends_an_attempt_on_what_waited() -> None:
    stream = Stream()
    stream.gates.gate("p").set()
    stream.gates.failing.add("p")
    await stream.begin([state("a", 1, "p")])
    stream.gates.gate("p").clear()
    attempt = asyncio.create_task(stream.again(stream.retries[0]))
    await settle()
    stream.gates.gate("new").set()
    await stream.begin([state("a", 2, "new")])
    await attempt
    assert stream.written == [("a", 2)]


async def test_of_several_pictures_those_that_are_there_are_written_and_none_refused_twice() -> None:
    stream = Stream()
    for gate in ("good", "late", "dead"):
        stream.gates.gate(gate).set()
    stream.gates.failing |= {"late"}
    stream.gates.broken |= {"dead"}
    await stream.begin([state("a", 1, "good", "late", "dead")])
    assert (stream.written, stream.refused) == ([("a", 1)], ["image_corrupt"])
    await stream.again(stream.retries[-1])
    assert (stream.written, stream.refused) == ([("a", 1)], ["image_corrupt"]), "nothing new came of it"
    stream.gates.failing.clear()
    await stream.again(stream.retries[-1])
    assert (stream.written, stream.refused) == ([("a", 1), ("a", 1)], ["image_corrupt"])
    assert stream.pictures == [1, 2]


async def test_a_batch_that_is_given_up_leaves_nothing_under_way() -> None:
    stream = Stream()
    batch = stream.begin([state("a", 1, "p"), state("b", 1, "q")])
    await settle()
    batch.cancel()
    await asyncio.gather(batch, return_exceptions=True)
    await settle()
    stream.gates.gate("p").set()
    await stream.begin([state("a", 1, "p")])
    assert stream.written == [("a", 1)]


async def test_the_window_counts_records_and_lets_a_large_batch_through_alone() -> None:
    in_flight = InFlight(4)
    runner = asyncio.create_task(in_flight.run())
    gate = asyncio.get_running_loop().create_future()

    async def acknowledge() -> None:
        return None

    await in_flight.add([gate], acknowledge, 3)
    waiting = asyncio.create_task(in_flight.add([], acknowledge, 2))
    await settle()
    assert (len(in_flight), waiting.done()) == (3, False)
    gate.set_result(None)
    await waiting
    await in_flight.drained()
    await in_flight.add([], acknowledge, 9)
    await in_flight.drained()
    assert len(in_flight) == 0
    runner.cancel()
