"""What the groups of rows share: the data, a filled shard beside a raw graph of the same vectors, and peers."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from ops.bench.peers import Peer, open_peer
from ops.bench.raw_graph import RawGraph
from ops.bench.shard_driver import Change, ShardDriver, generation_of
from ops.bench.vectors import Float32Array, Int64Array, as_sent, hard_mixture, neighbours_among, read_vectors
from schemas.errors import InputError
from schemas.settings import IndexSettings

K = 10
FILL_BLOCK = 2_000
CHURN_ITEMS = 50_000
UPSERTS_PER_S, DELETES_PER_S = 500, 50
# Windows round their numbers of writes up.
CYCLE_MARGIN = 16
PER_MILLE = 1000


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be measured on what.

    `vectors` names a file to take them from, None the seeded mixture; `load_seconds` is how long each system is
    searched under writes.
    """

    items: int = 200_000
    dimension: int = 512
    vectors: Path | None = None
    seed: int = 1
    queries: int = 1000
    load_seconds: float = 20.0
    churn_rounds: int = 20
    index: IndexSettings = IndexSettings()


def warm_up_rows(plan: Plan) -> int:
    """How many upserts bring the fresh buffer to where it begins to drain."""
    return min(plan.index.buffer_drain + 1, plan.index.buffer_capacity)


class Filling(NamedTuple):
    """Shard and raw graph with the same vectors, and how long each took to take them in, in the same run."""

    driver: ShardDriver
    raw: RawGraph
    driver_s: float
    raw_s: float


class FilledPeer(NamedTuple):
    """A peer with the same vectors, and the seconds it took."""

    peer: Peer
    seconds: float


class Workbench:
    """Makes what is asked for once and keeps it; `note` is told what takes long.

    `pool` has shape (items + spare, dimension): the items first, then vectors to insert later. An item's attributes are
    `random` and `near`, both a rank in per mille: of chance, and of nearness to one point of the space.
    """

    def __init__(self, plan: Plan, folder: Path, note: Callable[[str], None]) -> None:
        self.plan, self.folder, self.note = plan, folder, note
        note("making the vectors")
        self.pool, self.queries, self.items = _data(plan)
        self.generation = generation_of(self.pool.shape[1], plan.index)
        self.cores = len(os.sched_getaffinity(0))
        self.random_rank = _ranks(np.random.default_rng(plan.seed).random(len(self.pool)))
        self.near_rank = _ranks(-(self.pool @ self.pool[0]))
        self._filling: Filling | None = None
        self._peers: dict[str, FilledPeer | None] = {}
        self._folders = 0

    def filling(self) -> Filling:
        """The shard, serving, and the raw graph; both take their vectors in turn, so that drift hits both."""
        if self._filling is None:
            driver = self.new_driver()
            raw = RawGraph(self.generation, len(self.pool))
            driver_s = raw_s = 0.0
            for numbers in self._blocks("filling the shard and the raw graph"):
                changes = [self.upsert(driver, number) for number in numbers.tolist()]
                rows = self.pool[numbers]
                started_s = time.perf_counter()
                driver.apply_and_drain(changes)
                between_s = time.perf_counter()
                raw.add(numbers, rows)
                driver_s, raw_s = driver_s + between_s - started_s, raw_s + time.perf_counter() - between_s
            started_s = time.perf_counter()
            driver.settle()
            driver_s += time.perf_counter() - started_s
            driver.shard.serve()
            self._filling = Filling(driver, raw, driver_s, raw_s)
        return self._filling

    def peer(self, name: str) -> FilledPeer | None:
        """A library's graph of the items; None where it is not installed."""
        if name not in self._peers:
            peer = open_peer(name, self.generation, len(self.pool))
            seconds = 0.0
            for numbers in self._blocks(f"filling {name}") if peer is not None else ():
                rows = self.pool[numbers]
                started_s = time.perf_counter()
                assert peer is not None
                peer.add(numbers, rows)
                seconds += time.perf_counter() - started_s
            self._peers[name] = None if peer is None else FilledPeer(peer, seconds)
        return self._peers[name]

    def new_driver(self) -> ShardDriver:
        """An empty shard in a folder of its own."""
        self._folders += 1
        return ShardDriver(self.folder / f"shard-{self._folders}", self.pool.shape[1], self.plan.index)

    def upsert(self, driver: ShardDriver, number: int) -> Change:
        """The change that puts an item of the pool with its attributes."""
        attributes = {"random": int(self.random_rank[number]), "near": int(self.near_rank[number])}
        return driver.upsert(number, self.pool[number], attributes)

    def truth(self, numbers: Int64Array, queries: Float32Array, k: int = K) -> Int64Array:
        """The exact neighbours among these items."""
        return neighbours_among(self.pool, numbers, queries, k)

    def close(self) -> None:
        """Stop the shard."""
        if self._filling is not None:
            self._filling.driver.close()

    def _blocks(self, what: str) -> Iterator[Int64Array]:
        for at in range(0, self.items, FILL_BLOCK):
            self.note(f"{what}: {at:,} of {self.items:,}")
            yield np.arange(at, min(at + FILL_BLOCK, self.items))


def _data(plan: Plan) -> tuple[Float32Array, Float32Array, int]:
    """The pool, the queries, and how many of the pool are items from the start.

    Raises:
        InputError: the file is too short.
    """
    churned = min(CHURN_ITEMS, plan.items)
    written = round(UPSERTS_PER_S * plan.load_seconds) + CYCLE_MARGIN + warm_up_rows(plan)
    wanted = plan.queries + plan.items + max(written, 2 * churned - plan.items)
    if plan.vectors is None:
        rows = hard_mixture(wanted, plan.dimension, plan.seed)
    else:
        # A file may be in an order that means something; the queries must not all come from its beginning.
        rows = read_vectors(plan.vectors, wanted)
        rows = rows[np.random.default_rng(plan.seed).permutation(len(rows))]
    items = min(plan.items, len(rows) - plan.queries - written)
    if items < PER_MILLE:
        raise InputError(
            f"{len(rows):,} vectors are too few: {plan.queries:,} are queries, {written:,} are written under load, "
            f"and at least {PER_MILLE:,} must be left",
            code="bad_vectors",
        )
    return as_sent(rows[plan.queries :]), rows[: plan.queries], items


def _ranks(values: npt.NDArray[np.floating]) -> Int64Array:
    """Each value's rank in per mille of all, 0 to 999."""
    order = np.empty(len(values), np.int64)
    order[np.argsort(values, kind="stable")] = np.arange(len(values))
    return order * PER_MILLE // len(values)
