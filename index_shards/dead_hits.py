"""How many of the nearest are dead, search by search: what tells a deleted neighbourhood from scattered deletes."""

from collections import deque

WINDOW, FEWEST = 512, 16
# A search among whose nearest this share is dead has met a hole, and so many of the searches may meet one.
HOLE_SHARE, HOLES_MOST = 0.5, 0.05


class DeadHits:
    """The dead shares of the last searches: of what a search passed over until it had as many living as it wanted."""

    def __init__(self) -> None:
        self._shares: deque[float] = deque(maxlen=WINDOW)

    def note(self, share: float) -> None:
        """One search's dead share, 0 to 1; safe from several threads."""
        self._shares.append(share)

    @property
    def count(self) -> int:
        """How many searches it knows of."""
        return len(self._shares)

    @property
    def mean(self) -> float:
        """The mean dead share, 0 of no searches."""
        shares = list(self._shares)
        return sum(shares) / len(shares) if shares else 0.0

    @property
    def has_holes(self) -> bool:
        """Whether enough of the recent searches met a deleted neighbourhood."""
        shares = list(self._shares)
        return len(shares) >= FEWEST and sum(s >= HOLE_SHARE for s in shares) > HOLES_MOST * len(shares)
