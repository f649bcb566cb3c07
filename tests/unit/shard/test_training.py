"""Codes are never learned from a handful of vectors: draining waits for enough, and a rebuilding takes enough."""

from pathlib import Path

import numpy as np
import pytest

from index_shards import compaction, tiers
from index_shards.graph import Graph
from index_shards.searcher import Query
from index_shards.shard import Shard
from index_shards.small_graph import SmallGraph
from index_shards.vector_graph import TRAINING_VECTORS
from tests.unit.shard.oracle import change_state, generation, open_shard, picture_vector, vectors_of


@pytest.fixture(params=["sq8", "small"])
def storage(request: pytest.FixtureRequest) -> str:
    """Each storage whose codes are learned."""
    kind: str = request.param
    return kind


@pytest.fixture
def samples(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many vectors each training was given."""
    sizes: list[int] = []
    for kind in (Graph, SmallGraph):

        def train(self: object, vectors: np.ndarray, real: object = kind.train) -> None:
            sizes.append(len(vectors))
            real(self, vectors)  # type: ignore[operator]

        monkeypatch.setattr(kind, "train", train)
    return sizes


def opened(folder: Path, storage: str, **settings: int) -> Shard:
    return open_shard(folder, generation(storage=storage), **{"buffer_capacity": 2000, "buffer_drain": 10} | settings)


def put(shard: Shard, first: int, count: int) -> None:
    for n in range(first, first + count):
        state = change_state(f"i{n}", "upsert", 1, n)
        assert state.upserted is not None
        shard.apply_state(state)
        shard.apply_vectors(f"i{n}", vectors_of(state.upserted, f"i{n}".encode()))


def found(shard: Shard, n: int) -> str:
    return shard.search(Query(picture_vector(f"i{n}".encode()), 1)).items[0].item_id


def test_draining_waits_for_enough(tmp_path: Path, storage: str, samples: list[int]) -> None:
    shard = opened(tmp_path, storage)
    put(shard, 0, TRAINING_VECTORS - 1)
    assert not shard.wants_drain
    assert not shard.drain()
    assert (shard.buffered, shard.counts().buffer_vectors) == (0, TRAINING_VECTORS - 1)
    assert found(shard, 7) == "i7"
    put(shard, TRAINING_VECTORS - 1, 1)
    assert shard.wants_drain
    while shard.drain():
        pass
    assert samples == [TRAINING_VECTORS]
    put(shard, TRAINING_VECTORS, 1)
    assert shard.drain() == 1, "nothing has to be learned any more"
    assert [found(shard, n) for n in (7, TRAINING_VECTORS)] == ["i7", f"i{TRAINING_VECTORS}"]
    shard.close()


def test_a_small_buffer_waits_until_it_is_full(tmp_path: Path, storage: str, samples: list[int]) -> None:
    shard = opened(tmp_path, storage, buffer_capacity=100)
    put(shard, 0, 100 - tiers.MAX_PICTURES - 1)
    assert not shard.drain()
    put(shard, 99, 1)
    assert shard.drain() > 0
    assert samples == [100 - tiers.MAX_PICTURES]
    shard.close()


def test_it_can_be_told_not_to_wait(tmp_path: Path, storage: str, samples: list[int]) -> None:
    shard = opened(tmp_path, storage)
    put(shard, 0, 20)
    while shard.drain(flush=True):
        pass
    assert samples == [20]
    assert shard.counts().buffer_vectors == 0
    assert [found(shard, n) for n in range(20)] == [f"i{n}" for n in range(20)]
    shard.close()


def test_what_waited_is_in_the_snapshot(tmp_path: Path, storage: str, samples: list[int]) -> None:
    shard = opened(tmp_path, storage)
    put(shard, 0, 20)
    shard.snapshot({})
    shard.close()
    again = opened(tmp_path, storage)
    assert [found(again, n) for n in range(20)] == [f"i{n}" for n in range(20)]
    put(again, 20, TRAINING_VECTORS)
    assert again.drain() > 0
    assert samples == [TRAINING_VECTORS + 20]
    again.close()


def test_few_living_are_rebuilt_with_what_the_forgotten_tell(tmp_path: Path, storage: str, samples: list[int]) -> None:
    shard = opened(tmp_path, storage)
    put(shard, 0, 1500)
    while shard.drain():
        pass
    for n in range(1480):
        shard.apply_state(change_state(f"i{n}", "delete", 2, 2000 + n))
    assert shard.compact_if_due()
    assert samples == [1500, TRAINING_VECTORS]
    assert shard.counts().graph_vectors == 20
    assert [found(shard, n) for n in range(1480, 1500)] == [f"i{n}" for n in range(1480, 1500)]
    shard.close()


def test_none_living_learn_nothing_until_something_drains(tmp_path: Path, storage: str, samples: list[int]) -> None:
    """What is drained while an empty graph is being built is copied into it, and may be the first it sees."""
    shard = opened(tmp_path, storage)
    put(shard, 0, 1100)
    while shard.drain():
        pass
    for n in range(1100):
        shard.apply_state(change_state(f"i{n}", "delete", 2, 2000 + n))
    building = shard.begin_compaction()
    assert building is not None
    while building.stage is compaction.Stage.COPYING:
        building.step(300)
    put(shard, 2000, 30)
    while shard.drain():
        pass
    while not building.over:
        building.step(300)
    assert building.stage is compaction.Stage.SWAPPED
    assert samples == [1100, TRAINING_VECTORS]
    assert [found(shard, n) for n in range(2000, 2030)] == [f"i{n}" for n in range(2000, 2030)]
    shard.close()
