"""What the second tier of a shard must be able to do, however it keeps its vectors."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from index_shards.candidates import Float32Array, Int64Array
from index_shards.columns import Column
from index_shards.locks import ReadWriteLock
from index_shards.tombstones import Tombstones


class VectorGraph(Protocol):
    """Vectors by position, each of one picture, searched while they are added to.

    Searches share `lock`, an add has it alone. `ordinals` has the picture at each position, 0 once it is forgotten;
    `positions` has by slot the position plus one; `ef_search` is how many candidates a plain walk keeps.
    """

    lock: ReadWriteLock
    ordinals: Int64Array
    positions: Column
    tombstones: Tombstones
    ef_search: int

    def __len__(self) -> int: ...

    @property
    def size_bytes(self) -> int:
        """Bytes in memory."""
        ...

    @property
    def forgotten(self) -> int:
        """How many positions belong to no picture any more."""
        ...

    def build_with(self, ef_construction: int) -> None:
        """How many candidates an add considers from now on."""
        ...

    def train(self, vectors: Float32Array) -> None:
        """Learn what the codes need from vectors of shape (n, dimension)."""
        ...

    @property
    def wants_training(self) -> bool:
        """Whether `train` must come before the first `add`."""
        ...

    def make_room(self, count: int, marks: AbstractContextManager[Any], capacity: int = 0) -> None:
        """Let so many more vectors (or `capacity` in all) be added without arrays moving; `marks` guards marking."""
        ...

    def add(self, ordinals: Int64Array, vectors: Float32Array, marks: AbstractContextManager[Any]) -> int:
        """Append vectors of shape (n, dimension) for which there is room; the first one's position."""
        ...

    def position(self, ordinal: int) -> int | None:
        """Where the picture is; None when it is not here."""
        ...

    def hide(self, ordinal: int, hidden: bool) -> None:
        """Let searches pass the picture over, or find it again."""
        ...

    def forget(self, ordinal: int) -> None:
        """The picture is nobody's any more."""
        ...

    def bury(self, position: int, ordinal: int) -> None:
        """The vector at this position, added for this picture, is nobody's."""
        ...

    def vectors(self, positions: Int64Array) -> Float32Array:
        """The vectors at these positions, shape (n, dimension), as they were added but for the storage's rounding."""
        ...

    def write(self, path: Path) -> Int64Array:
        """Write it to `path`, and to files whose names begin with that, while searches run; its ordinals."""
        ...
