"""Batches of states that overlap: what is done is written, what hangs holds up nobody, and newer states win."""

import asyncio
from collections.abc import Sequence

import numpy as np

from embedder.batcher import Embedded
from schemas.changes import CatalogChange
from schemas.errors import ImageRejected
from schemas.item_state import ItemState, Origin, Stamp, apply_change, encode_state
from schemas.vector_record import decode_vector_record
from streams.embed import EmbedBatch, EmbedHandler, StateRecord
from streams.in_flight import InFlight

DIMENSION = 4


class Gates:
    """An embedder whose pictures are done when a test says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.failing: set[str] = set()

    def gate(self, picture: str) -> asyncio.Event:
        return self.gates.setdefault(picture, asyncio.Event())

    async def embed(self, picture: str | bytes, /) -> Embedded:
        assert isinstance(picture, str)
        self.asked.append(picture)
        await self.gate(picture).wait()
        if picture in self.failing:
            raise ImageRejected("its host is away", code="image_unreachable", temporary=True)
        vector = np.zeros(DIMENSION, dtype=np.float32)
        vector[0] = 1.0
        return Embedded(vector, picture.encode()[-16:].rjust(16), 30, 40, 2.0)


class Stream:
    """A handler, its memo, and what was written in which order."""

    def __init__(self) -> None:
        self.gates = Gates()
        self.notes: dict[str, Stamp] = {}
        self.handler = EmbedHandler("f" * 16, DIMENSION, self.gates, self.notes)
        self.written: list[tuple[str, int]] = []
        self.refused: list[str] = []
        self.outcomes: list[str] = []

    def begin(self, states: Sequence[ItemState]) -> asyncio.Task[None]:
        return asyncio.create_task(self._take(states))

    async def _take(self, states: Sequence[ItemState]) -> None:
        records = [StateRecord(encode_state(state), 0, n, 1) for n, state in enumerate(states)]
        async for part in self.handler.handle(records):
            self._keep(part)
            await asyncio.sleep(0)
            self.notes.update(part.stamps)

    def _keep(self, part: EmbedBatch) -> None:
        self.written += [(w.item_id, decode_vector_record(w.value).image_at.version) for w in part.writes]
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


async def test_what_failed_for_now_is_tried_again_with_the_items_next_state() -> None:
    stream = Stream()
    stream.gates.gate("p").set()
    stream.gates.failing.add("p")
    await stream.begin([state("a", 1, "p")])
    assert (stream.written, stream.refused, stream.notes) == ([], ["image_unreachable"], {})
    stream.gates.failing.clear()
    await stream.begin([state("a", 1, "p")])
    assert (stream.written, list(stream.notes)) == ([("a", 1)], ["a"])


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
