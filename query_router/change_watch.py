"""Waiting until every serving replica shows a change: one question per shard and round, however many wait."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable

import structlog

from query_router.change_fate import Fate, Outcome, Written, fate_of
from query_router.fan_out import FanOut
from query_router.placement_view import Pin, PlacementView
from query_router.reject_view import RejectView
from schemas.errors import Busy, NotReady
from schemas.item_trace import MAX_TRACED, ItemTrace

# How long a change is left alone between two looks: short while it is young, longer for one that takes its time.
FIRST_LOOK_S, LONGEST_LOOK_S, LOOK_GROWTH = 0.02, 0.25, 1.15
ASK_S = 1.0
_UNASKED = Fate(Outcome.PENDING, why="no replica of its shard has answered yet")

log = structlog.get_logger()


class _Wait:
    """One change that somebody waits for."""

    def __init__(self, written: Written, now_s: float) -> None:
        self.written = written
        self.done: asyncio.Future[Fate] = asyncio.get_running_loop().create_future()
        self.pause_s = FIRST_LOOK_S
        self.due_s = now_s + self.pause_s
        self.fate = _UNASKED._replace(version=written.change.version)

    def put_off(self, now_s: float) -> None:
        self.due_s = now_s + self.pause_s
        self.pause_s = min(self.pause_s * LOOK_GROWTH, LONGEST_LOOK_S)


class ChangeWatch:
    """Follows written changes; at most `limit` at a time."""

    def __init__(
        self,
        placement: PlacementView,
        fan_out: FanOut,
        rejects: RejectView,
        limit: int,
        shown: Callable[[Written, Iterable[ItemTrace | None]], None] = lambda written, traces: None,
    ) -> None:
        """`shown` is told of each change that every replica shows, with what each knows of its item."""
        self._placement, self._fan_out, self._rejects, self._shown = placement, fan_out, rejects, shown
        self._limit = limit
        self._clock = asyncio.get_running_loop().time
        self._waits: set[_Wait] = set()
        self._some = asyncio.Event()
        self._rounds: asyncio.Task[None] | None = None

    def check_room(self, changes: int = 1) -> None:
        """Raises Busy where so many more changes could not be waited for."""
        if len(self._waits) + changes > self._limit:
            raise Busy(f"{len(self._waits)} of {self._limit} waits are taken already", max_waits=self._limit)

    async def wait(self, written: Written, until_s: float) -> Fate:
        """What became of the change by `until_s` of the event loop's clock; PENDING when that is not decided by then.

        Raises:
            Busy: too many wait already.
        """
        self.check_room()
        wait = _Wait(written, self._clock())
        self._waits.add(wait)
        self._some.set()
        if self._rounds is None or self._rounds.done():
            self._rounds = asyncio.create_task(self._run())
        try:
            async with asyncio.timeout_at(until_s):
                return await wait.done
        except TimeoutError:
            return wait.fate
        finally:
            self._waits.discard(wait)

    async def close(self) -> None:
        """End; whoever still waits is told what was known last."""
        if self._rounds is not None:
            self._rounds.cancel()
            await asyncio.gather(self._rounds, return_exceptions=True)
        for wait in self._waits:
            _settle(wait, wait.fate)

    async def _run(self) -> None:
        """Round after round, while anybody waits."""
        shards: dict[int, asyncio.Task[None]] = {}
        try:
            while True:
                if not self._waits:
                    self._some.clear()
                    await self._some.wait()
                now_s = self._clock()
                due = [w for w in self._waits if w.due_s <= now_s and not w.done.done()]
                for shard, waits in self._by_shard(due).items():
                    # A shard that answers slowly holds up nobody else's.
                    if shard not in shards or shards[shard].done():
                        shards[shard] = asyncio.create_task(self._look(shard, waits))
                await asyncio.sleep(FIRST_LOOK_S)
        finally:
            for task in shards.values():
                task.cancel()
            await asyncio.gather(*shards.values(), return_exceptions=True)

    def _by_shard(self, waits: Iterable[_Wait]) -> dict[int, list[_Wait]]:
        pin = self._pin()
        if pin is None:
            return {}
        shards: dict[int, list[_Wait]] = defaultdict(list)
        for wait in waits:
            shards[pin.owner(wait.written.change.item_id)].append(wait)
        return shards

    def _pin(self) -> Pin | None:
        try:
            return self._placement.pin()
        except NotReady:
            return None

    async def _look(self, shard: int, waits: list[_Wait]) -> None:
        try:
            for first in range(0, len(waits), MAX_TRACED):
                await self._look_at(shard, waits[first : first + MAX_TRACED])
        except Exception:
            log.exception("watching_failed", shard=shard)
        finally:
            for wait in waits:
                wait.put_off(self._clock())

    async def _look_at(self, shard: int, waits: list[_Wait]) -> None:
        pin = self._pin()
        if pin is None:
            return
        item_ids = sorted({wait.written.change.item_id for wait in waits})
        replicas = await self._fan_out.traces(pin, shard, item_ids, self._clock() + ASK_S)
        for wait in waits:
            place = item_ids.index(wait.written.change.item_id)
            rejects = self._rejects.of(item_ids[place])
            fates = [None if r is None else fate_of(wait.written, r[place], rejects) for r in replicas]
            wait.fate = _joint(fates) or wait.fate
            if wait.fate.outcome is Outcome.SHOWN and not wait.done.done():
                self._shown(wait.written, [None if r is None else r[place] for r in replicas])
            if wait.fate.outcome is not Outcome.PENDING:
                _settle(wait, wait.fate)


def _joint(fates: list[Fate | None]) -> Fate | None:
    """One fate for all replicas, None while none has answered: shown when all show it, else what is decided anywhere.

    Merging is the same everywhere, so a replica that is behind ends where the others are.
    """
    known = [fate for fate in fates if fate is not None]
    decided = [f for f in known if f.outcome not in (Outcome.PENDING, Outcome.SHOWN)]
    if decided:
        return decided[0]
    pending = [f for f in known if f.outcome is Outcome.PENDING]
    if pending:
        return pending[0]
    if known and len(known) < len(fates):
        return known[0]._replace(outcome=Outcome.PENDING, why="a replica of its shard does not answer")
    return known[0] if known else None


def _settle(wait: _Wait, fate: Fate) -> None:
    if not wait.done.done():
        wait.done.set_result(fate)
