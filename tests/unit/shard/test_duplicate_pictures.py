"""Copies of one picture share one vector, and hide neither each other nor anything else."""

from pathlib import Path

import numpy as np
import pytest

from index_shards import graph_search
from index_shards.searcher import Query
from schemas.errors import UnknownItem
from tests.unit.shard.oracle import change_state, generation, open_shard, patiently, picture_vector, vectors_of

COPIES, OTHERS = 300, 200


def test_every_copy_can_be_returned_and_the_rest_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: str
) -> None:
    monkeypatch.setattr(graph_search, "SMALL", 0)
    shard = open_shard(tmp_path, generation(storage=storage))
    names = [f"copy-{n:03d}" for n in range(COPIES)] + [f"other-{n:03d}" for n in range(OTHERS)]
    for offset, name in enumerate(names):
        state = change_state(name, "upsert", 1, offset, {"kind": name.split("-")[0]})
        assert state.upserted is not None
        shard.apply_state(state)
        record = vectors_of(state.upserted, b"copied" if name.startswith("copy") else name.encode())
        patiently(shard, lambda name=name, record=record: shard.apply_vectors(name, record))
    while shard.drain():
        pass
    assert shard.counts().graph_vectors == OTHERS + 1

    found = shard.search(Query(picture_vector(b"copied"), COPIES)).items
    assert [hit.item_id for hit in found] == names[:COPIES]
    assert np.allclose([hit.score for hit in found], 1, atol=1e-3)
    assert [h.item_id for h in shard.search(Query(picture_vector(b"copied"), 2, exclude="copy-000")).items] == names[
        1:3
    ]
    for name in names[COPIES::20]:
        assert shard.search(Query(picture_vector(name.encode()), 1)).items[0].item_id == name

    for offset, name in enumerate(names[: COPIES - 1]):
        shard.apply_state(change_state(name, "delete", 2, 1000 + offset))
    assert [h.item_id for h in shard.search(Query(picture_vector(b"copied"), 1)).items] == [names[COPIES - 1]]
    with pytest.raises(UnknownItem):
        shard.get(names[0])
    assert shard.counts().dead_vectors == 0
    shard.apply_state(change_state(names[COPIES - 1], "delete", 2, 5000))
    assert shard.counts().dead_vectors == 1
    shard.close()
