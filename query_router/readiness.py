"""Readiness: whether queries should be sent here."""

from collections.abc import Callable

from query_router.placement_view import PlacementView
from query_router.query_embedding import QueryEmbedder
from schemas.errors import NotReady


class Readiness:
    """Ready once everything is there; from then on for as long as queries can be embedded and one shard is served.

    The first time, every shard must have a serving replica, so that nobody is sent to a router that would answer from
    half of a catalogue. Later a lost shard is no reason: every router sees the same loss, and taking all of them away
    would make a partial answer, which says that it is one, into none.

    A log that is away (`log_trouble` says why, None when it is there) is said too: searches are answered all the same,
    but no change is taken, and what is found grows old.
    """

    def __init__(
        self, placement: PlacementView, embedder: QueryEmbedder, log_trouble: Callable[[], str | None]
    ) -> None:
        self._placement = placement
        self._embedder = embedder
        self._log_trouble = log_trouble
        self._was_ready = False

    def check(self) -> dict[str, object]:
        """What is ready: the generation, and its shards that are served.

        Raises:
            NotReady: something is missing; `reasons` in its details says what, sentence by sentence.
        """
        trouble = self._log_trouble()
        reasons = [] if trouble is None else [trouble]
        if unknown := self._placement.unknown():
            raise _not_ready([*reasons, *unknown, *self._embedder.problems()])
        generation = self._placement.pin().generation
        reasons += self._embedder.problems(generation)
        unserved = self._placement.unserved(generation)
        if unserved and (not self._was_ready or len(unserved) == generation.shards):
            named = ", ".join(map(str, unserved))
            reasons.append(f"no node serves shard {named} of {generation.name}")
        if reasons:
            raise _not_ready(reasons)
        self._was_ready = True
        return {"status": "ready", "generation": generation.name, "shards": generation.shards, "unserved": unserved}


def _not_ready(reasons: list[str]) -> NotReady:
    return NotReady("; ".join(reasons), reasons=reasons)
