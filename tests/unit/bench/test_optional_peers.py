"""Other libraries are measured where they are there, missed politely where not, and never needed."""

import subprocess
import sys

import numpy as np
import pytest

from ops.bench import peers
from ops.bench.raw_graph import RawGraph
from ops.bench.shard_driver import generation_of
from ops.bench.vectors import exact_neighbours, hard_mixture, recall
from schemas.settings import IndexSettings

GENERATION = generation_of(16, IndexSettings())


def test_a_missing_library_has_no_row_and_is_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers, "find_spec", lambda _: None)
    monkeypatch.setattr(peers, "_told", set())
    assert peers.open_peer("hnswlib", GENERATION, 10) is None
    assert peers.open_peer("hnswlib", GENERATION, 10) is None
    assert capsys.readouterr().err.count("`make bench` installs it") == 1


def test_the_benchmarks_load_without_other_libraries() -> None:
    blocked = "import sys; sys.modules.update(dict.fromkeys(['hnswlib', 'usearch']))"
    program = f"{blocked}; import ops.bench.shard_bench, ops.bench.runbook_bench, ops.bench.peers"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_command_loads_nothing_heavy() -> None:
    heavy = (
        "{'faiss', 'torch', 'faust', 'hnswlib', 'usearch', 'rocksdict', 'yaml', 'numpy', 'aiohttp', 'confluent_kafka'}"
    )
    program = f"import sys, ops.cli; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("name", peers.PEER_NAMES)
def test_a_peer_finds_what_lives(name: str) -> None:
    pytest.importorskip(name)
    peer = peers.open_peer(name, GENERATION, 400)
    assert peer is not None
    _check_graph(peer)


def test_the_raw_graph_finds_what_lives() -> None:
    _check_graph(RawGraph(GENERATION, 400))


def _check_graph(graph: peers.Peer) -> None:
    """Add in two blocks, out of order, delete a neighbourhood, and compare with brute force."""
    rows = hard_mixture(450, 16, 1)
    pool, queries = rows[:400], rows[400:]
    first, second = np.arange(200, 400), np.arange(200)
    graph.add(first, pool[first])
    graph.add(second, pool[second])
    assert recall([graph.search(q, 10) for q in queries], exact_neighbours(pool, queries, 10)) > 0.97
    dead = np.unique(exact_neighbours(pool, queries[:2], 10))
    for number in dead.tolist():
        graph.delete(number)
    alive = np.setdiff1d(np.arange(400), dead)
    found = [graph.search(q, 10) for q in queries]
    assert not {number for answer in found for number in answer} & set(dead.tolist())
    assert recall(found, alive[exact_neighbours(pool[alive], queries, 10)]) > 0.97
