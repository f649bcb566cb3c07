"""What a load is to do, and what it did."""

import msgspec

from ops.freshness import Delays
from ops.sources.row_shape import PLAIN, RowShape


class LoadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to load and how. `prune` deletes what the source no longer has, within `prune_scope`.

    `paced` leaves room for live changes (see `ops.load_window`); `rate_per_s` is an upper bound either way.
    """

    source: str
    shape: RowShape = PLAIN
    limit: int | None = None
    rate_per_s: float | None = None
    paced: bool = True
    strict: bool = False
    restart: bool = False
    prune: bool = False
    prune_scope: str | None = None
    dry_run: bool = False
    wait_s: float = 0.0


class LoadSummary(msgspec.Struct, kw_only=True):
    """What a load did; `rejected` counts what was refused until it settled, None where that was not waited for.

    `refused` are the newest of those in words, `bad` the first bad rows. `resumed_at` is the row behind which it went
    on; `delays` are of a sample of its items, once they are searchable.
    """

    sent: int = 0
    bad_rows: int = 0
    bad: list[str] = []
    resumed_at: int = 0
    pruned: int | None = None
    seconds: float = 0.0
    items_per_s: float = 0.0
    settled: bool = False
    rejected: int | None = None
    dry_run: bool = False
    refused: list[str] = []
    delays: Delays | None = None

    def sentence(self) -> str:
        """The summary for people."""
        verb = "would send" if self.dry_run else "sent"
        words = [f"{verb} {counted(self.sent, 'item')} in {self.seconds:.1f} s ({self.items_per_s:.0f}/s)"]
        if self.resumed_at:
            words.append(f"went on behind row {self.resumed_at}, where an earlier run ended")
        if self.bad_rows:
            words.append(f"{counted(self.bad_rows, 'row')} could not be read")
        if self.pruned is not None:
            were = "would be" if self.dry_run else "was" if self.pruned == 1 else "were"
            words.append(f"{counted(self.pruned, 'item')} {were} deleted")
        if self.settled:
            words.append("everything is through")
        if self.rejected:
            words.append(f"{self.rejected} rejected (see `lookalive catalog rejects`)")
        if self.delays is not None and self.delays.found:
            words.append(self.delays.sentence())
        return "; ".join(words)


def counted(count: int, noun: str) -> str:
    """`1 item`, `2 items`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
