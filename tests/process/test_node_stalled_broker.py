"""A broker that does not answer for a while stops no search; the node says so, and catches up by itself afterwards."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.node_fixtures import NodeRig
from tests.unit.shard.oracle import change_state, picture_vector, vectors_of


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[NodeRig]:
    rig = NodeRig(tmp_path)
    yield rig
    rig.broker.process.send_signal(signal.SIGCONT)
    rig.close()


def put(rig: NodeRig, name: str) -> None:
    state = change_state(name, "upsert", 1, 1)
    assert state.upserted is not None
    rig.send_state(state)
    rig.send_vectors(name, vectors_of(state.upserted, name.encode()))


def test_searches_go_on_and_lag_is_unknown(rig: NodeRig) -> None:
    rig.install()
    rig.start()
    rig.wait_ready()
    for n in range(20):
        put(rig, f"before-{n}")
    rig.flush()
    rig.wait_applied()
    url = rig.url
    rig.broker.process.send_signal(signal.SIGSTOP)
    rig.eventually(
        lambda: [s.lag for s in rig.status_at(url).shards],
        lambda lags: all(set(lag.values()) == {-1} for lag in lags),
    )
    rig.fixed_url = url
    status, body = rig.eventually(rig.ready, lambda ready: ready[0] == 503)
    assert (status, body["error"]["code"]) == (503, "not_ready")
    assert ["Kafka does not answer" in reason for reason in body["error"]["details"]["reasons"]] == [True]
    assert rig.search(picture_vector(b"before-3"), 1)[0][0] == "before-3"
    rig.broker.process.send_signal(signal.SIGCONT)
    put(rig, "after")
    rig.flush()
    rig.wait_applied()
    assert rig.search(picture_vector(b"after"), 1)[0][0] == "after"
    rig.eventually(
        lambda: [s.lag for s in rig.status().shards], lambda lags: all(set(lag.values()) == {0} for lag in lags)
    )
    rig.wait_ready()
    assert rig.terminate() == 0
