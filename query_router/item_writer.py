"""Writing items: stamp a change, hand it to Kafka, and, where that is asked for, wait until searches show it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
from cachetools import LRUCache

from query_router.change_body import Listed
from query_router.change_fate import Fate, Outcome, Written
from query_router.change_log import ChangeLog
from query_router.change_watch import ChangeWatch
from query_router.search import iso_time
from schemas.changes import CatalogChange
from schemas.errors import Busy, ChangeRefused, Conflict, InputError, LookaliveError, NotReady, error_body
from schemas.item_writes import ListedAnswer, WaitOptions, WriteAnswer, WriteListAnswer
from schemas.settings import RouterSettings

DEFAULT_WAIT_MS = 10_000
# Changes of one list that Kafka is given at the same time, and writes that are remembered for `/status`.
LIST_IN_FLIGHT, REMEMBERED = 128, 10_000
_NOT_YET = "the time-out came first"


class _Done(NamedTuple):
    """What became of one change of a list; `written` when Kafka has it."""

    answer: ListedAnswer
    written: bool


def now_us() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


class ItemWriter:
    """Writes changes. One that brings no time gets this router's, always later than the one before.

    It never gives a version: a change without one takes the item's, so that producers with version numbers of their
    own are not shut out for ever by a number that is larger than theirs.
    """

    def __init__(
        self,
        settings: RouterSettings,
        log: ChangeLog,
        watch: ChangeWatch,
        wrote: Callable[[Written], None] = lambda written: None,
        clock_us: Callable[[], int] = now_us,
    ) -> None:
        """`wrote` is told of each change that Kafka has."""
        self._settings, self._log, self._watch, self._clock_us = settings, log, watch, clock_us
        self._wrote = wrote
        self._last_us = 0
        self._recent: LRUCache[str, Written] = LRUCache(REMEMBERED)

    async def write(self, change: CatalogChange, options: WaitOptions) -> WriteAnswer:
        """Write one change, and wait for it where that is asked for.

        Raises:
            Busy: too many changes are being written or waited for.
            NotReady: Kafka did not take it.
            Conflict: waited for, and a newer change won.
            ChangeRefused: waited for, and it was refused.
        """
        clock = asyncio.get_running_loop().time
        started_s = clock()
        if options.wait is not None:
            self._watch.check_room()
        written = await self._written(change)
        if options.wait is None:
            return _taken(written)
        fate = await self._watch.wait(written, started_s + self._wait_s(options))
        return _answer(written, fate, round((clock() - started_s) * 1000, 3))

    async def write_list(self, listed: Sequence[Listed], options: WaitOptions) -> WriteListAnswer:
        """Write many; what becomes of each is in the answer.

        Raises:
            LookaliveError: none could be taken; the error of the first, with those of all in its details.
        """
        started_s = asyncio.get_running_loop().time()
        if options.wait is not None:
            self._watch.check_room(len(listed))
        at_once = asyncio.Semaphore(LIST_IN_FLIGHT)
        # Their times are in the order of the list, whichever the broker has first.
        stamped = [(one.item_id, self._stamped(one.change)) for one in listed]
        until_s = started_s + self._wait_s(options)
        asked = [self._one(item_id, change, options, at_once, started_s, until_s) for item_id, change in stamped]
        done = await asyncio.gather(*asked)
        answers = [one.answer for one in done]
        if not any(one.written for one in done):
            raise _none_taken(answers)
        refused = sum(answer.error is not msgspec.UNSET for answer in answers)
        return WriteListAnswer(accepted=len(answers) - refused, refused=refused, items=answers)

    def recent(self, item_id: str) -> Written | None:
        """The newest change of an item that this router wrote, without what it brought; None where it is forgotten."""
        return self._recent.get(item_id)

    async def _one(
        self,
        item_id: str | None,
        change: CatalogChange | LookaliveError,
        options: WaitOptions,
        at_once: asyncio.Semaphore,
        started_s: float,
        until_s: float,
    ) -> _Done:
        written = None
        try:
            if isinstance(change, LookaliveError):
                raise change
            async with at_once:
                written = await self._written(change)
            if options.wait is None:
                return _Done(ListedAnswer(item_id=item_id, status=202, answer=_taken(written)), written=True)
            fate = await self._watch.wait(written, until_s)
            took_ms = round((asyncio.get_running_loop().time() - started_s) * 1000, 3)
            answer = _answer(written, fate, took_ms)
            return _Done(ListedAnswer(item_id=item_id, status=status_of(answer), answer=answer), written=True)
        except LookaliveError as error:
            refused = ListedAnswer(item_id=item_id, status=error.http_status, error=error_body(error)["error"])
            return _Done(refused, written is not None)

    async def _written(self, change: CatalogChange) -> Written:
        change = self._stamped(change)
        assert change.time_us is not None
        written = Written(change, await self._log.write(change), change.time_us)
        self._wrote(written)
        bare = msgspec.structs.replace(change, attributes=None, images=None)
        self._recent[change.item_id] = written._replace(change=bare)
        return written

    def _stamped(self, change: Any) -> Any:
        """The change with a time; errors stay as they are."""
        if not isinstance(change, CatalogChange) or change.time_us is not None:
            return change
        self._last_us = max(self._clock_us(), self._last_us + 1)
        return msgspec.structs.replace(change, time_us=self._last_us)

    def _wait_s(self, options: WaitOptions) -> float:
        wanted_ms = DEFAULT_WAIT_MS if options.timeout_ms is None else options.timeout_ms
        return min(wanted_ms, self._settings.max_timeout_ms) / 1000


def status_of(answer: WriteAnswer) -> int:
    """200 for a change that searches follow, 202 for one that is only taken."""
    return 200 if answer.applied is True else 202


def list_status(answer: WriteListAnswer) -> int:
    """200 when searches follow every change, else 202."""
    return 200 if all(one.status == 200 for one in answer.items) else 202


def _taken(written: Written) -> WriteAnswer:
    change = written.change
    return WriteAnswer(item_id=change.item_id, version=change.version, event_time=iso_time(written.time_us))


def _answer(written: Written, fate: Fate, took_ms: float) -> WriteAnswer:
    change = written.change
    answer = msgspec.structs.replace(_taken(written), version=fate.version)
    match fate.outcome:
        case Outcome.SHOWN:
            warnings = [f"a picture was left out: {r.message}" for r in fate.rejects]
            seen = change.op != "delete"
            shown = msgspec.structs.replace(answer, applied=True, searchable=seen, delay_ms=took_ms)
            return msgspec.structs.replace(shown, warnings=warnings) if warnings else shown
        case Outcome.SUPERSEDED:
            raise Conflict(
                f"a newer change of {change.item_id!r} won over {', '.join(fate.lost)}",
                code="newer_version",
                item_id=change.item_id,
                version=fate.version,
                current_version=fate.current,
                superseded=list(fate.lost),
            )
        case Outcome.REJECTED:
            newest = fate.rejects[-1]
            raise ChangeRefused(newest.message, code=newest.reason, item_id=change.item_id, image=newest.image)
        case Outcome.UNSEEN:
            return msgspec.structs.replace(answer, applied=False, searchable=False, reason=fate.why)
        case Outcome.PENDING:
            reason = f"{_NOT_YET}: {fate.why}"
            return msgspec.structs.replace(answer, applied=False, searchable=False, reason=reason)


def _none_taken(answers: Sequence[ListedAnswer]) -> LookaliveError:
    """What is said when nothing of a list was written: that it can be sent again, or that it is wrong."""
    errors = [one.error for one in answers if isinstance(one.error, dict)]
    message = f"none of the {len(answers)} changes was taken; the first: {errors[0]['message']}"
    details = {"items": [msgspec.to_builtins(one) for one in answers]}
    match {one.status for one in answers}:
        case statuses if statuses == {Busy.http_status}:
            return Busy(message, **details)
        case statuses if NotReady.http_status in statuses:
            return NotReady(message, code="no_broker", **details)
        case _:
            return InputError(message, code="none_taken", **details)
