"""A node follows its topics and serves what they say: searches, items, status, health, errors, a clean stop."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from schemas.cluster_log import read_cluster
from schemas.queries import ShardHits, ShardSearch, pack_vector
from schemas.topics import STATES
from tests.process.node_fixtures import SHARDS, VECTORS, NodeRig
from tests.unit.shard.oracle import Oracle, change_state, check_hits, check_item_answer, picture_vector, vectors_of

ODD_IDS = ["a/b", "..", "%2F", "a b+c?d#e&f", "ü/ñ", "/", "%", "x" * 512]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[NodeRig]:
    rig = NodeRig(tmp_path)
    yield rig
    rig.close()


def fill(rig: NodeRig, oracle: Oracle) -> list[str]:
    """Some items with odd names; every third deleted again."""
    names = [f"item-{n}" for n in range(150)] + ODD_IDS
    for n, name in enumerate(names):
        state = change_state(name, "upsert", 1, n, {"n": n, "even": n % 2 == 0})
        assert state.upserted is not None
        record = vectors_of(state.upserted, f"picture-{n}".encode())
        for change in [state, change_state(name, "delete", 2, 1000 + n)][: 1 + (n % 3 == 0)]:
            rig.send_state(change)
            oracle.state(change)
        rig.send_vectors(name, record)
        oracle.vectors(name, record)
    return names


def test_a_node_serves_what_the_topics_say(rig: NodeRig) -> None:
    rig.start()
    rig.install()
    rig.wait_ready()
    oracle = Oracle()
    names = fill(rig, oracle)
    for value in (b"not json", b'{"item_id": "other"}', b"\xff\xfe"):
        rig.send_raw(STATES, "bad", value)
        rig.send_raw(VECTORS, "bad", value)
    rig.send_vectors("item-1", vectors_of(change_state("x", "upsert", 9, 9).upserted, b"foreign", model="other"))  # type: ignore[arg-type]
    rig.flush()
    rig.wait_applied()

    there = oracle.findable()
    for name in names:
        check_item_answer(rig.item(name), there.get(name))
    for seed in range(5):
        vector = picture_vector(f"query-{seed}".encode())
        check_hits(rig.search(vector, 20), oracle.search(vector, 20))
        check_hits(rig.search(vector, 20, filter={"even": True}), oracle.search(vector, 20, {"even": True}))
        check_hits(rig.search(vector, 1000, exact=True), oracle.search(vector, 1000))

    status = rig.status()
    assert status.node == "n1"
    assert [(s.generation, s.shard, s.state) for s in status.shards] == [("g1", 0, "serving"), ("g1", 1, "serving")]
    assert sum(s.items for s in status.shards) == len(there)
    assert rig.eventually(
        lambda: [s.lag for s in rig.status().shards], lambda lag: all(not any(x.values()) for x in lag)
    )
    metrics = rig.ask("/metrics")[1].decode()
    assert 'outcome="undecodable"' in metrics
    assert 'outcome="foreign"' in metrics
    check_errors(rig)
    check_restart(rig, oracle, names)


def check_errors(rig: NodeRig) -> None:
    """Every refusal has its status and the one shape."""
    vector = pack_vector(picture_vector(b"q"))

    def asked(path: str, body: object = None) -> tuple[int, str]:
        status, answer = rig.ask(path, body if isinstance(body, bytes) else body and msgspec.msgpack.encode(body))
        error = json.loads(answer)["error"]
        assert set(error) == {"code", "message", "details"}
        assert "Traceback" not in error["message"]
        return status, error["code"]

    search = "/v1/shards/g1/0/search"
    assert asked(search, b"") == (400, "bad_request")
    assert asked(search, b"\xc1\xff") == (400, "bad_request")
    assert asked(search, {"vector": vector}) == (400, "bad_request")
    assert asked(search, ShardSearch(vector=vector, k=0)) == (400, "bad_k")
    assert asked(search, ShardSearch(vector=vector[:-1], k=1)) == (400, "bad_vector")
    assert asked(search, ShardSearch(vector=vector[:-4], k=1)) == (400, "bad_vector")
    assert asked(search, ShardSearch(vector=vector, k=1, filter={"n": {"near": 1}})) == (400, "bad_filter")
    assert asked(search, b"x" * (5 << 20)) == (413, "too_large")
    assert asked("/v1/shards/g1/7/search", ShardSearch(vector=vector, k=1)) == (404, "unknown_shard")
    assert asked("/v1/shards/g2/0/search", ShardSearch(vector=vector, k=1)) == (404, "unknown_shard")
    assert asked("/v1/shards/g1/zero/items/a") == (400, "bad_shard")
    assert asked("/v1/shards/g1/0/items/nobody") == (404, "unknown_item")
    assert asked("/v1/nothing") == (404, "not_found")
    assert asked(search) == (405, "method_not_allowed")
    hits = rig.ask(search, msgspec.msgpack.encode(ShardSearch(vector=vector, k=2, include_attributes=False)))[1]
    assert [attributes for _, _, attributes in msgspec.msgpack.decode(hits, type=ShardHits).hits] == [None, None]


def check_restart(rig: NodeRig, oracle: Oracle, names: list[str]) -> None:
    """SIGTERM ends it well, with a snapshot whose offsets are committed; the next one begins there."""
    applied = {s.shard: s.applied for s in rig.status().shards}
    assert rig.terminate() == 0
    assert read_cluster(rig.kafka).nodes["n1"].serving == {}
    assert {shard: rig.committed(shard) for shard in range(SHARDS)} == applied
    rig.start()
    rig.wait_ready()
    assert "restored=True" in rig.log()
    there = oracle.findable()
    for name in names[::7]:
        check_item_answer(rig.item(name), there.get(name))
    state = change_state("late", "upsert", 1, 5000)
    assert state.upserted is not None
    rig.send_state(state)
    rig.send_vectors("late", vectors_of(state.upserted, b"late"))
    rig.flush()
    rig.wait_applied()
    assert rig.search(picture_vector(b"late"), 1)[0][0] == "late"
