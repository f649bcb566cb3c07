"""Whether a partition has records that its owner did not write: told by their offsets, without reading any.

An owner is its partition's only writer, and the broker numbers what it writes without holes. A hole in what was
acknowledged, or an end beyond it, is somebody else's record: an owner of before that was paused and went on.
"""

from collections.abc import Mapping
from typing import NamedTuple

CHUNK = 5000


class Stretch(NamedTuple):
    """Offsets `begin` to `end`, which is not among them, of a partition; at most `CHUNK` of them."""

    partition: int
    begin: int
    end: int


class WriteWatch:
    """The offsets that were acknowledged, of any number of partitions of one topic; in any order."""

    def __init__(self) -> None:
        self._next: dict[int, int] = {}
        self._ahead: dict[int, set[int]] = {}
        self._ends: dict[int, int] = {}
        self._unsettled: dict[int, list[Stretch]] = {}

    @property
    def partitions(self) -> set[int]:
        """Those that are watched."""
        return set(self._next)

    def begin(self, partition: int, offset: int) -> None:
        """Watch a partition from this offset on."""
        self._next[partition] = offset
        self._ahead[partition] = set()
        self._unsettled[partition] = []
        self._ends.pop(partition, None)

    def end(self, partition: int) -> None:
        """Watch it no longer."""
        for held in (self._next, self._ahead, self._ends, self._unsettled):
            held.pop(partition, None)

    def wrote(self, partition: int, offset: int) -> None:
        """The broker has acknowledged a record of the owner's."""
        wanted = self._next.get(partition)
        if wanted == offset:
            self._next[partition] = offset + 1
        elif wanted is not None and offset > wanted:
            self._ahead[partition].add(offset)

    def agreed(self, partition: int) -> int | None:
        """The offset before which all is the owner's or was settled; None for a partition that is not watched."""
        return min((s.begin for s in self._unsettled.get(partition, [])), default=self._next.get(partition))

    def settle(self, stretch: Stretch) -> None:
        """What others wrote there was compared with what the owner has."""
        unsettled = self._unsettled.get(stretch.partition, [])
        if stretch in unsettled:
            unsettled.remove(stretch)

    def others(self, ends: Mapping[int, int]) -> list[Stretch]:
        """Stretches to be settled: what others wrote, as far as the ends of the call before; `ends` are those of now.

        What was there at the call before and is not acknowledged by now is not the owner's.
        """
        found: list[Stretch] = []
        for partition, end in ends.items():
            if partition in self._next:
                found += self._others(partition, self._ends.get(partition, 0))
                self._ends[partition] = end
        return found

    def _others(self, partition: int, end: int) -> list[Stretch]:
        found: list[Stretch] = []
        ahead, offset = self._ahead[partition], self._next[partition]
        for own in [*sorted(o for o in ahead if o < end), end]:
            found += [Stretch(partition, first, min(first + CHUNK, own)) for first in range(offset, own, CHUNK)]
            offset = max(own + (own != end), offset)
        while offset in ahead:
            offset += 1
        self._next[partition] = offset
        self._ahead[partition] = {o for o in ahead if o > offset}
        self._unsettled[partition] += found
        return found
