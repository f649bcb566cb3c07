"""A full pool turns searches away at once, and takes them again when there is room."""

import asyncio
import threading

import pytest

from index_shards.node.search_pool import SearchPool
from schemas.errors import Busy


async def test_full_is_busy() -> None:
    pool = SearchPool(threads=1, queue=2)
    go = threading.Event()
    taken = [asyncio.create_task(pool.run(go.wait)) for _ in range(3)]
    await asyncio.sleep(0)
    assert pool.in_flight == 3
    with pytest.raises(Busy):
        await pool.run(go.wait)
    taken[2].cancel()
    go.set()
    assert await asyncio.gather(*taken[:2]) == [True, True]
    while pool.in_flight:  # noqa: ASYNC110 - a place is given back in the worker's thread
        await asyncio.sleep(0.001)
    assert await pool.run(lambda: 7) == 7
    pool.close()


async def test_an_error_gives_its_place_back() -> None:
    pool = SearchPool(threads=1, queue=1)

    def fail() -> None:
        raise ValueError("no")

    for _ in range(5):
        with pytest.raises(ValueError, match="no"):
            await pool.run(fail)
    pool.close()
