"""The topics of the model: `cluster.state`, read late by everyone, and each shard's changes."""

from collections import defaultdict
from collections.abc import Callable

from ops.placement.facts import ShardName
from ops.simulation.clock import Clock
from schemas.cluster import ClusterRecord, ClusterView

# A record is read by everyone within this time; it is below the time for which a node goes on with what it lost.
READ_WITHIN_S = 1.5
# A command looks again, and a record that it writes arrives, within this time.
STEP_WITHIN_S = 1.0


class ClusterTopic:
    """Records by offset; compaction leaves the last of each key. Whoever follows hears of a new one a while later."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: list[tuple[int, ClusterRecord]] = []
        self._end = 0
        self._followers: list[Callable[[], None]] = []
        self.truth = ClusterView()

    def append(self, record: ClusterRecord) -> None:
        """Write a record; each follower catches up within `READ_WITHIN_S`."""
        self._records.append((self._end, record))
        self._end += 1
        self.truth.apply(record)
        for follower in self._followers:
            self._clock.within(READ_WITHIN_S, follower)

    def follow(self, caught_up: Callable[[], None]) -> None:
        """Tell somebody, late, that there is more."""
        self._followers.append(caught_up)

    def read(self, view: ClusterView, position: int) -> int:
        """Fold what is there from an offset on into a view; the offset after it."""
        for offset, record in self._records:
            if offset >= position:
                view.apply(record)
        return self._end

    def compact(self) -> None:
        """Forget all but the last record of each key, in the order they were written."""
        last = {record.key(): offset for offset, record in self._records}
        self._records = [(offset, record) for offset, record in self._records if last[record.key()] == offset]


class Reader:
    """One follower's view, behind the topic by a moment; `fresh` begins again from what compaction left."""

    def __init__(self, topic: ClusterTopic, on_change: Callable[[], None] = lambda: None) -> None:
        self._topic, self._on_change = topic, on_change
        self.fresh()
        topic.follow(self._catch_up)

    def fresh(self) -> None:
        """Read everything anew, as a process that has just started does."""
        self.view = ClusterView()
        self._position = self._topic.read(self.view, 0)

    def _catch_up(self) -> None:
        self._position = self._topic.read(self.view, self._position)
        self._on_change()


class ItemLogs:
    """Every shard's changes: items that come and go, and when; a delete is a record like any other."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changes: defaultdict[ShardName, list[tuple[float, str, bool]]] = defaultdict(list)

    def write(self, shard: ShardName, item: str, there: bool) -> None:
        """An item is there from now on, or no more."""
        self._changes[shard].append((self._clock.now_s, item, there))

    def end(self, shard: ShardName) -> int:
        """How many changes there are."""
        return len(self._changes[shard])

    def apply(self, shard: ShardName, items: set[str], start: int, end: int) -> None:
        """Let items be as the changes from one offset to another leave them."""
        for _, item, there in self._changes[shard][start:end]:
            (items.add if there else items.discard)(item)

    def certain(self, shard: ShardName, since_s: float, until_s: float) -> tuple[set[str], set[str]]:
        """The items that were there all this time, and those that were written and gone all this time."""
        there: set[str] = set()
        gone: set[str] = set()
        for at_s, item, is_there in self._changes[shard]:
            if at_s > until_s:
                break
            there.discard(item)
            gone.discard(item)
            if at_s <= since_s:
                (there if is_there else gone).add(item)
        return there, gone
