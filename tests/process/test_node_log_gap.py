"""What the broker dropped before it was read is said, and the shard that lacks it never serves."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.kafka_clients import end_offsets, make_reader
from schemas.topics import STATES, partition_of, shard_of
from tests.process.node_fixtures import PARTITIONS, SHARDS, NodeRig
from tests.unit.shard.oracle import change_state, picture_vector, vectors_of


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[NodeRig]:
    rig = NodeRig(tmp_path)
    yield rig
    rig.close()


def overrun(rig: NodeRig, item_id: str) -> int:
    """Write one item's state until the broker has dropped the first ones; the oldest offset it still has."""
    partition = partition_of(item_id, PARTITIONS)
    reader = make_reader(rig.kafka)
    try:
        for n in range(1, 200):
            # Not compressible, or the ring would hold all of it.
            noise = [picture_vector(f"{n}/{m}".encode(), 4000).tobytes().hex() for m in range(3)]
            for m, text in enumerate(noise):
                rig.send_state(change_state(item_id, "upsert", n, 3 * n + m, {"noise": text}))
            rig.flush()
            oldest = end_offsets(reader, STATES, [partition])[partition][0]
            if oldest > 0:
                return oldest
    finally:
        reader.close()
    pytest.fail("the broker dropped nothing")


def test_a_gap_at_the_start_is_never_skipped(rig: NodeRig) -> None:
    rig.install()
    lost = "item-of-the-gap"
    broken = shard_of(partition_of(lost, PARTITIONS), SHARDS)
    oldest = overrun(rig, lost)
    healthy = next(name for name in map(str, range(99)) if shard_of(partition_of(name, PARTITIONS), SHARDS) != broken)
    state = change_state(healthy, "upsert", 1, 1)
    assert state.upserted is not None
    rig.send_state(state)
    rig.send_vectors(healthy, vectors_of(state.upserted, b"p"))
    rig.flush()
    rig.start()

    statuses = rig.eventually(
        lambda: {s.shard: s for s in rig.status().shards},
        lambda found: {s.state for s in found.values()} == {"failed", "serving"},
    )
    assert statuses[broken].state == "failed"
    assert f"offsets 0 to {oldest - 1} were dropped" in statuses[broken].error
    code, body = rig.ready()
    assert code == 503
    assert "were dropped by the broker" in body["error"]["message"]
    assert rig.ask(f"/v1/shards/g1/{broken}/items/{lost}")[0] == 503
    assert rig.item(healthy) is not None
    gaps = [line for line in rig.ask("/metrics")[1].decode().splitlines() if "log_gaps_total{" in line]
    assert gaps == [f'lookalive_node_log_gaps_total{{generation="g1",shard="{broken}"}} 1.0']
    assert rig.terminate() == 0
