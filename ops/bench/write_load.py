"""Search latency while upserts and deletes come in at a fixed rate: ours, a raw graph's and hnswlib's behind a lock.

Neither FAISS's nor hnswlib's add may run beside a search, so they are used as their authors ask: one lock around both,
one vector at a time, which holds searches up least. What each is sent, and when, is the same.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index_shards.faiss_api import faiss
from ops.bench.open_loop import Clock, Float64Array, Loop, WallClock, poisson_times, run_open_loop
from ops.bench.peers import Peer
from ops.bench.raw_graph import RawGraph
from ops.bench.report import Row, row
from ops.bench.shard_driver import Change, ShardDriver
from ops.bench.vectors import Float32Array, Int64Array
from ops.bench.workbench import DELETES_PER_S, UPSERTS_PER_S, K, Workbench, warm_up_rows

BoolArray = npt.NDArray[np.bool_]
LEAD_S = 0.2

SEARCHES_PER_S = 200
CYCLES = 4
TIMES_AT_MOST, RATE_AT_LEAST, DUTY = 4.0, 0.95, 0.3
PEER = "hnswlib"
SHARD, QUIET, RAW = "shard", "shard without writes", "locked raw FAISS"


class System(NamedTuple):
    """One of those compared: how it searches, takes and drops; `keep` is entered while it is measured."""

    search: Callable[[Float32Array], object]
    upsert: Callable[[int], object]
    delete: Callable[[int], object]
    keep: Callable[[], AbstractContextManager[object]] = nullcontext


class Window(NamedTuple):
    """The writes of one window: the numbers of their items, which are deletes, and when each is sent, in seconds."""

    numbers: Int64Array
    is_delete: BoolArray
    times_s: Float64Array


class Heard(NamedTuple):
    """Search latencies in milliseconds, shape (n,), and writes taken per second, over all windows."""

    search_ms: Float64Array
    writes_per_s: float

    def at(self, percent: float) -> float:
        """A percentile of the latencies."""
        return float(np.percentile(self.search_ms, percent))


def measure(bench: Workbench) -> list[Row]:
    """Percentiles of the search latency, the systems in turns, window by window."""
    systems = _systems(bench)
    windows = _windows(bench)
    latencies: dict[str, list[Float64Array]] = {name: [] for name in systems}
    elapsed_s = dict.fromkeys(systems, 0.0)
    for cycle, window in enumerate(windows):
        for name, system in systems.items():
            bench.note(f"load, cycle {cycle + 1} of {len(windows)}: {name}")
            writes = None if name == QUIET else window
            searched, wrote = _run(bench, system, writes, seed=bench.plan.seed + cycle)
            latencies[name].append(searched.latencies_s * 1000)
            elapsed_s[name] += 0.0 if wrote is None else wrote.elapsed_s
    drained_share = bench.filling().driver.drained_s / elapsed_s[SHARD]
    sent = sum(len(window.numbers) for window in windows)
    heard = {
        name: Heard(np.concatenate(latencies[name]), sent / elapsed_s[name] if elapsed_s[name] else 0.0)
        for name in systems
    }
    return [
        *_rows(heard),
        row("share of the time spent draining", drained_share, "share", at_most=DUTY),
    ]


def _systems(bench: Workbench) -> dict[str, System]:
    driver, raw = bench.filling().driver, bench.filling().raw
    changes = _Ahead(bench, driver)
    ours = System(
        lambda query: driver.search(query, K),
        lambda number: driver.apply(changes.upserts.pop(number)),
        lambda number: driver.apply(changes.deletes.pop(number)),
        driver.kept,
    )
    systems = {QUIET: ours._replace(keep=lambda: _at_rest(driver)), SHARD: ours, RAW: _locked(bench, raw)}
    peer = bench.peer(PEER)
    if peer is not None:
        systems[f"locked {PEER}"] = _locked(bench, peer.peer)
    _warm_up(bench, driver, raw)
    return systems


@contextmanager
def _at_rest(driver: ShardDriver) -> Iterator[None]:
    """Nothing to drain is left from the window before."""
    while driver.shard.wants_drain:
        driver.shard.drain()
    with driver.kept():
        yield


class _Ahead:
    """Every change of all windows, made before they begin."""

    def __init__(self, bench: Workbench, driver: ShardDriver) -> None:
        self.upserts: dict[int, Change] = {}
        self.deletes: dict[int, Change] = {}
        for window in _windows(bench):
            for number, is_delete in zip(window.numbers.tolist(), window.is_delete.tolist(), strict=True):
                if is_delete:
                    self.deletes[number] = driver.delete(number)
                else:
                    self.upserts[number] = bench.upsert(driver, number)


def _locked(bench: Workbench, graph: Peer) -> System:
    """A graph that is only added to while nobody searches it."""
    lock = threading.Lock()

    def search(query: Float32Array) -> list[int]:
        with lock:
            return graph.search(query, K)

    def upsert(number: int) -> None:
        with lock:
            graph.add(np.array([number]), bench.pool[number : number + 1])

    def delete(number: int) -> None:
        with lock:
            graph.delete(number)

    return System(search, upsert, delete)


def _windows(bench: Workbench) -> list[Window]:
    """The same writes for everyone: new items from the pool, deletes of items that were there from the start."""
    chance = np.random.default_rng(bench.plan.seed)
    seconds = bench.plan.load_seconds / CYCLES
    upserts, deletes = round(UPSERTS_PER_S * seconds), round(DELETES_PER_S * seconds)
    leaving = chance.permutation(bench.items)
    first = bench.items + warm_up_rows(bench.plan)
    windows = []
    for cycle in range(CYCLES):
        coming = np.arange(first + cycle * upserts, first + (cycle + 1) * upserts)
        numbers = np.concatenate([coming, leaving[cycle * deletes : (cycle + 1) * deletes]])
        order = chance.permutation(len(numbers))
        times_s = poisson_times(len(numbers) / seconds, seconds, bench.plan.seed + cycle)
        windows.append(Window(numbers[order], order >= upserts, times_s))
    return windows


def _warm_up(bench: Workbench, driver: ShardDriver, raw: RawGraph) -> None:
    """Fill the buffer to where it begins to drain, as it is in a shard that has been written to for a while."""
    for number in range(bench.items, bench.items + warm_up_rows(bench.plan)):
        if driver.shard.wants_drain:
            break
        driver.apply(bench.upsert(driver, number))
        raw.add(np.array([number]), bench.pool[number : number + 1])


def _run(bench: Workbench, system: System, window: Window | None, seed: int) -> tuple[Loop, Loop | None]:
    """Search for one window beside its writes; what became of both."""
    clock = WallClock()
    seconds = bench.plan.load_seconds / CYCLES
    times_s = poisson_times(SEARCHES_PER_S, seconds, -seed % 2**32)
    queries = bench.queries
    with system.keep(), ThreadPoolExecutor(1, initializer=lambda: faiss.omp_set_num_threads(1)) as pool:
        start_s = clock.now() + LEAD_S
        writing = None if window is None else pool.submit(_write, system, window, clock, start_s)
        searched = run_open_loop(times_s, lambda i: system.search(queries[i % len(queries)]), clock, start_s)
        return searched, None if writing is None else writing.result()


def _write(system: System, window: Window, clock: Clock, start_s: float) -> Loop:
    numbers, is_delete = window.numbers.tolist(), window.is_delete.tolist()

    def send(i: int) -> None:
        (system.delete if is_delete[i] else system.upsert)(numbers[i])

    return run_open_loop(window.times_s, send, clock, start_s)


def _rows(heard: dict[str, Heard]) -> list[Row]:
    load = f"{UPSERTS_PER_S} upserts/s, {DELETES_PER_S} deletes/s"
    ours, quiet = heard[SHARD], heard[QUIET]
    rows = [
        row(f"search p50 under {load} / without", ours.at(50), "ms", baseline=quiet.at(50)),
        row(
            f"search p99 under {load} / without",
            ours.at(99),
            "ms",
            baseline=quiet.at(99),
            at_most=TIMES_AT_MOST,
        ),
    ]
    others = {name: of for name, of in heard.items() if name not in (SHARD, QUIET)}
    for name, theirs in others.items():
        rows.append(row(f"search p50 under that load / {name}", ours.at(50), "ms", baseline=theirs.at(50)))
        # A graph of vectors alone, without items, deletes that last and a log, has less to do in Python per call.
        bound = None if name == RAW else 1.0
        rows.append(
            row(f"search p99 under that load / {name}", ours.at(99), "ms", baseline=theirs.at(99), at_most=bound)
        )
    sent = float(UPSERTS_PER_S + DELETES_PER_S)
    rows.append(row("writes taken / sent", ours.writes_per_s, "writes/s", baseline=sent, at_least=RATE_AT_LEAST))
    for name, theirs in others.items():
        rows.append(row(f"writes taken by {name} / sent", theirs.writes_per_s, "writes/s", baseline=sent))
    return rows
