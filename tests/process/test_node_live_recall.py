"""A node tells its live recall, and of how many searches, in its status and on /metrics."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.node_fixtures import SHARDS, NodeRig
from tests.unit.shard.oracle import change_state, picture_vector, vectors_of

ITEMS, SEARCHES, K = 120, 10, 20
SAMPLED_SHARE = 0.5


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[NodeRig]:
    rig = NodeRig(tmp_path, recall_sample_share=SAMPLED_SHARE)
    yield rig
    rig.close()


def figures(rig: NodeRig, name: str) -> dict[str, float]:
    """The metric by shard."""
    lines = rig.ask("/metrics")[1].decode()
    return {
        labels["shard"]: float(value)
        for found, value in re.findall(rf"^{name}\{{(.*)\}} (\S+)$", lines, re.MULTILINE)
        if (labels := dict(re.findall(r'(\w+)="([^"]*)"', found)))["generation"] == "g1"
    }


def test_searches_are_sampled_and_measured(rig: NodeRig) -> None:
    rig.install()
    rig.start()
    rig.wait_ready()
    every_shard = [str(shard) for shard in range(SHARDS)]
    assert figures(rig, "shard_recall_at_10") == {}, "nothing was measured yet"
    assert figures(rig, "shard_recall_at_10_samples") == dict.fromkeys(every_shard, 0.0)
    for number in range(ITEMS):
        state = change_state(f"item-{number}", "upsert", 1, number)
        assert state.upserted is not None
        rig.send_state(state)
        rig.send_vectors(state.item_id, vectors_of(state.upserted, f"picture-{number}".encode()))
    rig.flush()
    rig.wait_applied()
    for number in range(SEARCHES):
        assert len(rig.search(picture_vector(f"query-{number}".encode()), K)) == K
        # One at a time, as those that find the queue of the sampled full are not measured.
        wanted = dict.fromkeys(every_shard, float(int((number + 1) * SAMPLED_SHARE)))
        rig.eventually(lambda: figures(rig, "shard_recall_at_10_samples"), lambda found, w=wanted: found == w)
    assert figures(rig, "shard_recall_at_10") == dict.fromkeys(every_shard, 1.0)
    assert [(s.recall_at_10, s.recall_samples) for s in rig.status().shards] == [(1.0, 5)] * SHARDS
