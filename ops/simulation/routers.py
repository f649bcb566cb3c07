"""The model of a router: a late view, a query pinned to one generation, another replica asked when one fails.

Every answer is held against what must be true of it:

- a shard is missing only when it isn't owed (see `coverage`);
- what was there all the while is in it, and what was deleted before is not;
- all of it comes from the generation that the query was pinned to.
"""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from ops.placement.facts import ShardName
from ops.simulation.clock import Clock
from ops.simulation.coverage import Coverage
from ops.simulation.logs import ClusterTopic, ItemLogs, Reader
from ops.simulation.nodes import APPLY_WITHIN_S, SimNode
from query_router.placement_view import Pin, PlacementView
from schemas.errors import NotReady

ASK_WITHIN_S = 0.2


class Violation(Exception):
    """Something that must hold of every answer did not."""


class _Query(NamedTuple):
    pin: Pin
    asked_s: float
    answered: list[ShardName]


class SimRouter:
    """A router that never dies, but reads late; `checked` counts the answers that were held against the truth."""

    def __init__(
        self, clock: Clock, topic: ClusterTopic, logs: ItemLogs, nodes: Mapping[str, SimNode], coverage: Coverage
    ) -> None:
        self._clock, self._logs, self._nodes, self._coverage = clock, logs, nodes, coverage
        self._reader = Reader(topic)
        self._placement = PlacementView(lambda: self._reader.view)
        self.checked = self.missing = 0

    def restart(self) -> None:
        """Begin again with what compaction left."""
        self._reader.fresh()

    def ask(self) -> None:
        """Ask every shard of the generation that is searched."""
        try:
            pin = self._placement.pin()
        except NotReady:
            return
        query = _Query(pin, self._clock.now_s, [])
        for number in range(pin.generation.shards):
            shard = ShardName(pin.generation.name, number)
            replicas = [report.node for report in self._placement.replicas(*shard)]
            self._clock.within(ASK_WITHIN_S, partial(self._try, query, shard, replicas))

    def _try(self, query: _Query, shard: ShardName, replicas: list[str]) -> None:
        answer = self._nodes[replicas[0]].answer(shard) if replicas else ()
        if not answer and len(replicas) > 1:
            self._clock.within(ASK_WITHIN_S, partial(self._try, query, shard, replicas[1:]))
        elif not answer:
            self._check_missing(query, shard)
        else:
            self._check_answer(query, shard, answer[0])

    def _check_missing(self, query: _Query, shard: ShardName) -> None:
        self.missing += 1
        if self._coverage.owed(shard, query.asked_s):
            raise Violation(f"at {self._clock.now_s:.2f} s {shard} is missing, though nobody was killed who had it")

    def _check_answer(self, query: _Query, shard: ShardName, found: set[str]) -> None:
        now_s = self._clock.now_s
        there, gone = self._logs.certain(shard, query.asked_s - APPLY_WITHIN_S, now_s)
        if not there <= found:
            raise Violation(f"at {now_s:.2f} s {shard} lacks {sorted(there - found)}")
        if gone & found:
            raise Violation(f"at {now_s:.2f} s {shard} answers with the deleted {sorted(gone & found)}")
        query.answered.append(shard)
        if {generation for generation, _ in query.answered} != {query.pin.generation.name}:
            raise Violation(f"at {now_s:.2f} s an answer is made of {query.answered}")
        self.checked += 1
