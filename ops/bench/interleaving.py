"""Two or more systems timed in turns, so that whatever else the machine does hits all of them alike."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from ops.bench.vectors import Float32Array

Search = Callable[[Float32Array], list[int]]
BLOCK, PASSES = 50, 3


class Timed(NamedTuple):
    """Queries per second (of the median block) and the answer to each query."""

    per_second: float
    answers: list[list[int]]


def time_searches(systems: Mapping[str, Search], queries: Float32Array) -> dict[str, Timed]:
    """Each system's rate on queries of shape (n, dimension), asked one by one in blocks that alternate."""
    answers: dict[str, list[list[int]]] = {name: [] for name in systems}
    block_s: dict[str, list[float]] = {name: [] for name in systems}
    for done in range(PASSES + 1):
        # The first pass warms caches up and keeps the answers, the others are timed.
        for at in range(0, len(queries), BLOCK):
            block = queries[at : at + BLOCK]
            for name, search in systems.items():
                started_s = time.perf_counter()
                found = [search(query) for query in block]
                took_s = time.perf_counter() - started_s
                if done == 0:
                    answers[name] += found
                else:
                    block_s[name].append(took_s / len(block))
    return {name: Timed(1 / float(np.median(block_s[name])), answers[name]) for name in systems}
