"""A fresh process to measure in: threads and their switching as a node has them, and a memory of its own."""

import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import ParamSpec, TypeVar

from index_shards.node.search_pool import SWITCH_S
from ops.child import die_with_parent

P = ParamSpec("P")
T = TypeVar("T")
_THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def in_fresh_process(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the function returns (or raises) in a process that has imported nothing yet.

    BLAS reads how many threads it may have when it is loaded, so that a process that has numpy cannot ask any more.
    """
    os.environ.update(_THREADS)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=_prepare) as pool:
        return pool.submit(function, *args, **kwargs).result()


def _prepare() -> None:
    sys.setswitchinterval(SWITCH_S)
    die_with_parent()
