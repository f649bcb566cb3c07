"""States that follow from changes one after the other, and are written together."""

from collections.abc import Awaitable, Sequence
from typing import Protocol

from streams.merge import StateWrite
from streams.state_table import StateRow


class States(Protocol):
    """The part of `streams.state_table.StateTable` that is used."""

    def read(self, partition: int, item_id: str) -> bytes | None:
        """The item's encoded state."""

    async def write_all(self, rows: Sequence[StateRow]) -> Awaitable[object]:
        """Write states; the result is the changelog's answer."""


class StateBatch:
    """What was put is read again before it is written. Nothing else may write to the table in between."""

    def __init__(self, table: States) -> None:
        self._table = table
        self._rows: list[StateRow] = []
        self._newest: dict[tuple[int, str], bytes] = {}

    def read(self, partition: int, item_id: str) -> bytes | None:
        """The item's encoded state."""
        newest = self._newest.get((partition, item_id))
        return self._table.read(partition, item_id) if newest is None else newest

    def put(self, partition: int, write: StateWrite) -> None:
        """Replace the item's state."""
        self._newest[partition, write.item_id] = write.value
        self._rows.append(StateRow(partition, write.item_id.encode(), write.value, write.marker))

    async def write(self) -> list[Awaitable[object]]:
        """Write all, in order; the changelog's answer, none where nothing was put."""
        return [await self._table.write_all(self._rows)] if self._rows else []
