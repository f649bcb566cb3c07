"""The retries a worker holds in memory: by partition, by item and by when they are due. Knows nothing of Kafka."""

import heapq
import itertools
from collections.abc import Collection, Iterable

from schemas.retries import Retry


class Waiting:
    """A record of `catalog.retries` that is not done with; `due_us` is its `not_before_us`, or later."""

    def __init__(self, retry: Retry, partition: int, offset: int) -> None:
        self.retry = retry
        self.partition = partition
        self.offset = offset
        self.due_us = retry.not_before_us
        self.running = False
        self.done = False

    @property
    def order(self) -> tuple[object, ...]:
        """Of two records of an item, the larger one counts: newer pictures, then more attempts, then the later one."""
        return self.retry.image.at, self.retry.attempt, self.offset


class _Partition:
    """The records of one partition between the oldest that is not done and the next to be read.

    Those before `inherited_until` were written before this worker took the partition over.
    """

    def __init__(self, position: int, inherited_until: int) -> None:
        self.position = position
        self.inherited_until = inherited_until
        self.open: dict[int, Waiting] = {}  # by offset, in its order
        self.unexamined: list[Waiting] = []


class RetryQueue:
    """At most `window` retries of each partition, and what a read brings beyond: readers pause where it is full.

    What another worker wrote may have been overtaken by newer states that only that worker saw. So it waits as
    `unexamined` until somebody compared it with the items' newest states.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._partitions: dict[int, _Partition] = {}
        self._items: dict[str, Waiting] = {}
        self._heap: list[tuple[int, int, Waiting]] = []
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return sum(len(partition.open) for partition in self._partitions.values())

    @property
    def partitions(self) -> set[int]:
        """Those that are being read."""
        return set(self._partitions)

    def assign(self, partition: int, position: int, inherited_until: int) -> None:
        """Begin to hold a partition's records, read from `position` on."""
        self._partitions[partition] = _Partition(position, inherited_until)

    def revoke(self, partition: int) -> None:
        """Forget a partition; whoever has it next reads its records again."""
        for waiting in self._partitions.pop(partition).open.values():
            waiting.done = True
            if self._items.get(waiting.retry.item_id) is waiting:
                del self._items[waiting.retry.item_id]
        self._heap = [entry for entry in self._heap if not entry[2].done]
        heapq.heapify(self._heap)

    def take(self, partition: int, offset: int, retry: Retry | None) -> None:
        """The next record of a partition; None for one that is not ours to try."""
        held = self._partitions.get(partition)
        if held is None or offset < held.position:
            return
        held.position = offset + 1
        if retry is None:
            return
        waiting = Waiting(retry, partition, offset)
        before = self._items.get(retry.item_id)
        if before is not None and before.order > waiting.order:
            return
        self._prune()
        self._items[retry.item_id] = waiting
        held.open[offset] = waiting
        if before is not None and not before.running:
            self.finish(before)
        if offset < held.inherited_until:
            held.unexamined.append(waiting)
        else:
            self._schedule(waiting)

    def to_examine(self, partition: int) -> list[Waiting]:
        """What was inherited, once there is no more of it or no room for more."""
        held = self._partitions[partition]
        held.unexamined = [waiting for waiting in held.unexamined if not waiting.done]
        complete = held.position >= held.inherited_until or self.full(partition)
        return list(held.unexamined) if complete else []

    def examined(self, waiting: Iterable[Waiting], overtaken: Collection[str]) -> None:
        """These were compared with the newest states; `overtaken` names the items whose retry is pointless."""
        looked_at = set(waiting)
        for held in self._partitions.values():
            held.unexamined = [one for one in held.unexamined if one not in looked_at]
        for one in looked_at:
            if one.done:
                continue
            if one.retry.item_id in overtaken:
                self.finish(one)
            else:
                self._schedule(one)

    def due(self, now_us: int, limit: int) -> list[Waiting]:
        """Up to `limit` records that may be tried now, the longest due first; they are running from here on."""
        found: list[Waiting] = []
        while self._heap and self._heap[0][0] <= now_us and len(found) < limit:
            waiting = heapq.heappop(self._heap)[2]
            if not waiting.done:
                waiting.running = True
                found.append(waiting)
        return found

    def postpone(self, waiting: Waiting, due_us: int) -> None:
        """Try again not before `due_us`; the record stays as it is."""
        waiting.running = False
        if waiting.done or self._items.get(waiting.retry.item_id) is not waiting:
            self.finish(waiting)
            return
        waiting.due_us = due_us
        self._schedule(waiting)

    def finish(self, waiting: Waiting) -> None:
        """What follows from a record is acknowledged."""
        waiting.done = True
        if self._items.get(waiting.retry.item_id) is waiting:
            del self._items[waiting.retry.item_id]
        held = self._partitions.get(waiting.partition)
        if held is not None and held.open.get(waiting.offset) is waiting:
            del held.open[waiting.offset]

    def full(self, partition: int) -> bool:
        """Whether no more is to be read of a partition for now."""
        return len(self._partitions[partition].open) >= self._window

    def roomy(self, partition: int) -> bool:
        """Whether reading on is worth the while again."""
        return len(self._partitions[partition].open) <= self._window // 2

    def read_next(self, partition: int) -> int:
        """The offset to read a partition on from."""
        return self._partitions[partition].position

    def committable(self) -> dict[int, int]:
        """Per partition, the offset before which everything is done."""
        return {p: next(iter(held.open), held.position) for p, held in self._partitions.items()}

    def _prune(self) -> None:
        """What was overtaken while it waited must not pile up."""
        if len(self._heap) > 2 * self._window * max(len(self._partitions), 1):
            self._heap = [entry for entry in self._heap if not entry[2].done]
            heapq.heapify(self._heap)

    def _schedule(self, waiting: Waiting) -> None:
        heapq.heappush(self._heap, (waiting.due_us, next(self._numbers), waiting))
