"""A node opens what placement gives it and closes what it takes away, while the rest goes on serving."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.cluster import Placement
from schemas.cluster_log import publish, read_cluster
from schemas.topics import partition_of, shard_of
from tests.process.node_fixtures import PARTITIONS, SHARDS, NodeRig
from tests.unit.shard.oracle import change_state, vectors_of


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[NodeRig]:
    rig = NodeRig(tmp_path)
    yield rig
    rig.close()


def place(rig: NodeRig, epoch: int, *nodes: list[str]) -> None:
    publish(rig.kafka, Placement(epoch=epoch, writer="test", serving="g1", shards={"g1": list(nodes)}))


def serving(rig: NodeRig) -> dict[str, list[int]]:
    return read_cluster(rig.kafka).nodes["n1"].serving


def test_a_shard_leaves_and_comes_back(rig: NodeRig) -> None:
    rig.start()
    rig.install()
    rig.wait_ready()
    rig.eventually(lambda: serving(rig), lambda found: found == {"g1": [0, 1]})
    names = [f"item-{n}" for n in range(40)]
    for n, name in enumerate(names):
        state = change_state(name, "upsert", 1, n)
        assert state.upserted is not None
        rig.send_state(state)
        rig.send_vectors(name, vectors_of(state.upserted, name.encode()))
    rig.flush()
    rig.wait_applied()
    moved = next(name for name in names if shard_of(partition_of(name, PARTITIONS), SHARDS) == 1)

    place(rig, 2, ["n1"], ["n2"])
    rig.eventually(lambda: serving(rig), lambda found: found == {"g1": [0]})
    assert rig.ready()[0] == 200
    assert [s.shard for s in rig.eventually(rig.status, lambda status: len(status.shards) == 1).shards] == [0]
    code, body = rig.ask(f"/v1/shards/g1/1/items/{moved}")
    assert code == 404
    assert b'"unknown_shard"' in body

    place(rig, 3, ["n1"], ["n2", "n1"])
    rig.eventually(lambda: serving(rig), lambda found: found == {"g1": [0, 1]})
    assert rig.item(moved) is not None
    assert rig.ready()[0] == 200
    assert rig.terminate() == 0
