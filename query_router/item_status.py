"""Why an item is or isn't found, for programs and in words."""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from query_router.change_fate import Written, all_refused, refused_pictures
from query_router.fan_out import FanOut
from query_router.placement_view import PlacementView
from query_router.reject_view import RejectView, SeenReject
from query_router.retry_view import RetryView
from query_router.search import iso_time
from schemas.changes import Op
from schemas.errors import NotReady, UnknownItem
from schemas.item_state import ItemState, decode_state
from schemas.item_trace import ItemTrace
from schemas.item_writes import ItemPhase, ItemStatus, NewestChange, PictureRetry, Refusal
from schemas.retries import Retry

SHOWN_REFUSALS = 5


class _Known(NamedTuple):
    """What is known of an item: by its replicas' traces, by refusals (oldest first), and by what was written here.

    `trace` is of the replica that knows the newest change, `state` its item state; `accepted` is not merged yet.
    """

    trace: ItemTrace | None
    state: ItemState | None
    rejects: Sequence[SeenReject]
    accepted: Written | None
    retry: Retry | None


class StatusService:
    """Puts together what shards, refusals and this router's own writes say of an item."""

    def __init__(
        self,
        placement: PlacementView,
        fan_out: FanOut,
        rejects: RejectView,
        retries: RetryView,
        recent: Callable[[str], Written | None],
        timeout_s: float,
    ) -> None:
        self._placement, self._fan_out, self._rejects, self._recent = placement, fan_out, rejects, recent
        self._retries = retries
        self._timeout_s = timeout_s

    async def status(self, item_id: str) -> ItemStatus:
        """What is known of an item.

        Raises:
            UnknownItem: nothing is.
            NotReady: no replica of its shard can be asked.
        """
        pin = self._placement.pin()
        until_s = asyncio.get_running_loop().time() + self._timeout_s
        asked = await self._fan_out.traces(pin, pin.owner(item_id), [item_id], until_s)
        traces = [answer[0] for answer in asked if answer]
        if not traces:
            raise NotReady(f"no node that serves the shard of {item_id!r} answers", shard=pin.owner(item_id))
        states = [None if trace.state is None else decode_state(trace.state) for trace in traces]
        known = self._known(item_id, pin.generation.name, traces, states)
        if known.state is None and not known.rejects and known.accepted is None:
            raise UnknownItem(item_id)
        phase, words = _phase(known)
        state, searchable_us = known.state, max(trace.searchable_us for trace in traces)
        newest = None if state is None else state.newest
        return ItemStatus(
            item_id=item_id,
            phase=phase,
            searchable=any(trace.findable for trace in traces),
            explanation=words,
            generation=pin.generation.name,
            replicas=len(asked),
            applied=sum(one is not None and one.newest == newest for one in states),
            found_by=sum(trace.findable for trace in traces),
            embedded=_embedded(known),
            newest=_newest(state),
            accepted=None if known.accepted is None else iso_time(known.accepted.time_us),
            searchable_at=iso_time(searchable_us) if searchable_us else None,
            retry=None if known.retry is None else _retry(known.retry),
            rejected=[_refusal(reject) for reject in reversed(known.rejects[-SHOWN_REFUSALS:])],
        )

    def _known(self, item_id: str, generation: str, traces: list[ItemTrace], states: list[ItemState | None]) -> _Known:
        rejects = self._rejects.of(item_id)
        order = [() if s is None or s.newest is None else s.newest for s in states]
        best = max(range(len(traces)), key=lambda n: order[n])
        trace, state = traces[best], states[best]
        written = self._recent(item_id)
        if written is not None and _is_settled(written, state, rejects):
            written = None
        return _Known(trace, state, rejects, written, self._retry_of(generation, trace, state, rejects))

    def _retry_of(
        self, generation: str, trace: ItemTrace, state: ItemState | None, rejects: Sequence[SeenReject]
    ) -> Retry | None:
        """What waits of an item's newest pictures; nothing does where they are found or refused by now."""
        if state is None or not state.live or state.image is None or trace.image_at == state.image.at:
            return None
        if all_refused(state.image, refused_pictures(state.image, rejects)):
            return None
        return self._retries.of(generation, state.item_id, state.image.at)


def _is_settled(written: Written, state: ItemState | None, rejects: Sequence[SeenReject]) -> bool:
    """Whether a change written here has been merged and applied, or refused."""
    position = written.position
    if any((r.partition, r.offset) == position for r in rejects):
        return True
    return state is not None and state.origins.get(position.partition, -1) >= position.offset


_A: dict[Op, str] = {"upsert": "an upsert", "patch": "a patch", "delete": "a delete"}


def _phase(known: _Known) -> tuple[ItemPhase, str]:
    state, trace, accepted = known.state, known.trace, known.accepted
    if accepted is not None:
        found = "; meanwhile it is found as it was before" if trace is not None and trace.findable else ""
        return "accepted", f"{_A[accepted.change.op]} was taken by Kafka and waits to be merged{found}"
    if state is None or trace is None:
        return "rejected", f"no change of it could be taken; the newest was refused: {_words(known.rejects[-1])}"
    if not state.live:
        if state.deleted is not None:
            return "deleted", f"it was deleted, by a change of {iso_time(state.deleted.time_us)}"
        return "not_upserted", "only patches of it have come; they are kept unseen until an upsert makes it live"
    return _live_phase(known, state, trace)


def _live_phase(known: _Known, state: ItemState, trace: ItemTrace) -> tuple[ItemPhase, str]:
    later = _later_refusal(state, known.rejects)
    if state.image is None or not state.image.refs:
        return "no_picture", f"it has no picture, and is found by nothing else{later}"
    refused = refused_pictures(state.image, known.rejects)
    if trace.findable and trace.image_at == state.image.at:
        some = f"; a picture of it was refused: {_words(refused[-1])}" if refused else later
        return "searchable", f"it is found{some}"
    if all_refused(state.image, refused):
        why = f"its picture was refused: {_words(refused[-1])}"
        return ("searchable", f"it is found by its earlier picture; {why}") if trace.findable else ("rejected", why)
    waits = "waits to be embedded and applied" if known.retry is None else _waiting_words(known.retry)
    if trace.findable:
        return "embedding", f"it is found by its earlier picture; the new one {waits}"
    return "embedding", f"its picture {waits}{later}"


def _waiting_words(retry: Retry) -> str:
    times = {0: "not yet", 1: "once"}.get(retry.attempt, f"{retry.attempt} times")
    next_at = iso_time(retry.not_before_us)
    return (
        f"could not be fetched ({retry.reason}: {retry.message}); it was tried {times}, and is tried next at {next_at} "
        "or later"
    )


def _retry(retry: Retry) -> PictureRetry:
    next_at = iso_time(retry.not_before_us)
    return PictureRetry(attempt=retry.attempt, next_at=next_at, reason=retry.reason, message=retry.message)


def _later_refusal(state: ItemState, rejects: Sequence[SeenReject]) -> str:
    """A clause on a refused change that is newer than what the item shows."""
    newest = state.newest
    if not rejects or newest is None:
        return ""
    last = rejects[-1]
    is_later = last.offset >= 0 and (last.event_us or last.time_us) > newest.time_us
    return f"; a later change of it was refused: {_words(last)}" if is_later else ""


def _words(reject: SeenReject) -> str:
    return f"{reject.reason}: {reject.message}"


def _embedded(known: _Known) -> bool:
    state, trace = known.state, known.trace
    if state is None or trace is None or state.image is None or not state.image.refs:
        return False
    return bool(trace.pictures) and trace.image_at == state.image.at


def _newest(state: ItemState | None) -> NewestChange | None:
    newest = None if state is None else state.newest
    if state is None or newest is None:
        return None
    return NewestChange(
        version=newest.version,
        event_time=iso_time(newest.time_us),
        state="live" if state.live else "unseen" if state.deleted is None else "deleted",
    )


def _refusal(reject: SeenReject) -> Refusal:
    return Refusal(
        reason=reject.reason,
        message=reject.message,
        at=iso_time(reject.time_us),
        image=reject.image,
        version=reject.version,
    )
