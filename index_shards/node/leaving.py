"""Shards that placement took away from a node, which go on answering for a moment."""

from collections.abc import Collection
from typing import TypeVar

# Routers read the new placement within this time; until then they ask the node that held the shard before.
LINGER_S = 8.0

Key = TypeVar("Key", bound=tuple[str, int])


class Leaving:
    """When each shard was first seen to be wanted no more; it closes `LINGER_S` later, if it isn't wanted again."""

    def __init__(self) -> None:
        self._since_s: dict[tuple[str, int], float] = {}

    def due(self, held: Collection[Key], wanted: Collection[Key], now_s: float) -> set[Key]:
        """The shards to close now, of those that are held."""
        unwanted = set(held) - set(wanted)
        self._since_s = {key: self._since_s.get(key, now_s) for key in unwanted}
        return {key for key in unwanted if now_s - self._since_s[key] >= LINGER_S}
