"""What the second tier of a shard must be able to do, however it keeps its vectors."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from index_shards.candidates import Candidates, Float32Array, Int64Array, Met
from index_shards.locks import ReadWriteLock
from index_shards.places import Places

# So many vectors are wanted to learn from what codes should be like.
TRAINING_VECTORS = 1000


class VectorGraph(Protocol):
    """Vectors by position, each of one picture, searched while they are added to.

    FAISS adds are not safe beside searches: those that `look` share `lock`, an add has it alone. A vector that was
    added neither changes nor moves: `vectors` and `ranked` need no lock. One thread at a time adds; what is marked in
    `places` is guarded by the tiers' lock. `ef_search` is how many candidates a plain walk keeps.
    """

    lock: ReadWriteLock
    places: Places
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

    # --- adding

    def build_with(self, ef_construction: int) -> None:
        """How many candidates an add considers from now on."""
        ...

    @property
    def wants_training(self) -> bool:
        """Whether `train` must come before the first `add`."""
        ...

    def train(self, vectors: Float32Array) -> None:
        """Learn what the codes need from float32 vectors of shape (n, dimension); once, where they need anything."""
        ...

    def make_room(self, count: int, marks: AbstractContextManager[Any], capacity: int = 0) -> None:
        """Let so many more vectors (or `capacity` in all) be added without arrays moving; `marks` guards marking.

        The larger arrays are filled beside the searches, which wait for the exchange alone; the thread that adds
        calls it.
        """
        ...

    def prepare(self, vectors: Float32Array) -> None:
        """Do what of an `add` of these vectors, the next one, can be done beside searches.

        Raises:
            DiskFailed: the disk is full or fails; nothing has changed.
        """
        ...

    def add(self, ordinals: Int64Array, vectors: Float32Array, marks: AbstractContextManager[Any]) -> int:
        """Append the float32 vectors of shape (n, dimension) that were prepared; the first one's position.

        There is room for them, and the caller holds the write lock or is the only user.
        """
        ...

    # --- reading

    def vectors(self, positions: Int64Array) -> Float32Array:
        """The vectors at these positions, shape (n, dimension), as they were added but for the storage's rounding.

        Raises:
            DiskFailed: the disk fails.
        """
        ...

    def write(self, path: Path) -> Int64Array:
        """Write it to `path`, and to files whose names begin with that, while searches run; its ordinals.

        Raises:
            OSError: the disk is full or fails.
        """
        ...

    # --- searching; who looks holds the lock for reading, who ranks need not

    def look(self, query: Float32Array, count: int, ef: int, selector: Any = None) -> Met:
        """The `count` best that a walk with `ef` candidates finds, best first."""
        ...

    def look_at_all(self, query: Float32Array, count: int, positions: Int64Array) -> Int64Array:
        """The `count` best of these positions by looking at each, and maybe some that tie with the last."""
        ...

    def worth_ranking(self, depth: int) -> int:
        """How many of the best that a look brings have the `depth` best among them, as good as always."""
        ...

    def ranked(self, positions: Int64Array, query: Float32Array, depth: int) -> Candidates:
        """The `depth` best of these positions by their vectors, with what ties with the last.

        Raises:
            DiskFailed: the disk fails.
        """
        ...
