"""One command's way from a goal to its end, an epoch at a time; it keeps nothing that a run of it anew would lack."""

from collections.abc import Callable

import msgspec

from ops.placement.facts import Facts, Holders, settled
from ops.placement.planner import advance, makes_sense, plan, shard_of_move
from schemas.cluster import Move, Placement

Goal = Callable[[Holders, Facts], Holders]


class Errand:
    """Moves towards a goal, planned when it is first asked for the next epoch.

    Whoever carries it out writes what `following` says, reads `cluster.state` again (another's record may have been the
    first of that epoch) and asks again, until it is `done`.
    """

    def __init__(self, goal: Goal, writer: str, most_at_once: int) -> None:
        """`writer` is a name that no other run has."""
        self._goal, self._writer, self._most_at_once = goal, writer, most_at_once
        self.waiting: list[Move] | None = None
        self._begun: set[Move] = set()
        self.done = False

    def following(self, placement: Placement, facts: Facts) -> Placement | None:
        """The next epoch, if there is anything to do now.

        Raises:
            InputError: the goal cannot be reached from here.
        """
        if self.waiting is None:
            self.waiting = plan(placement, self._goal(settled(placement), facts))
        self._begun |= set(placement.moves)
        self.waiting = [move for move in self.waiting if self._waits(placement, move)]
        following = advance(placement, facts, self.waiting, self._most_at_once)
        if following != placement:
            return msgspec.structs.replace(following, epoch=placement.epoch + 1, writer=self._writer)
        self.done = not placement.moves and not self.waiting
        return None

    def _waits(self, placement: Placement, move: Move) -> bool:
        """Whether a move is still to begin; one that began and is no more under way has ended, or was undone."""
        if move in self._begun:
            return False
        busy = {shard_of_move(other) for other in placement.moves}
        return shard_of_move(move) in busy or makes_sense(placement, move)
