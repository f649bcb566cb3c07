"""Shards that are restored at once read their arrays one after the other: NumPy's headers allow no two readers."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.shard.oracle import OFFSETS, change_state, open_shard, vectors_of


def test_no_two_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [tmp_path / name for name in ("first", "second", "third")]
    for folder in folders:
        shard = open_shard(folder)
        state = change_state("sku", "upsert", 1, 1)
        assert state.upserted is not None
        shard.apply_state(state)
        shard.apply_vectors("sku", vectors_of(state.upserted, b"sku"))
        shard.snapshot(OFFSETS)
        shard.close()
    load, reading, together = np.load, set[Path](), list[int]()

    def slow_load(path: Path) -> Any:
        reading.add(path)
        time.sleep(0.02)
        together.append(len(reading))
        try:
            return load(path)
        finally:
            reading.discard(path)

    monkeypatch.setattr(np, "load", slow_load)
    with ThreadPoolExecutor(len(folders)) as pool:
        shards = list(pool.map(open_shard, folders))
    found = [shard.counts().items for shard in shards]
    for shard in shards:
        shard.close()
    assert found == [1, 1, 1]
    assert together == [1] * len(together)
    assert len(together) >= len(folders)
