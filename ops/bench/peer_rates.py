"""Other libraries on the same vectors with the same M, efConstruction and ef, in the same run as the raw graph."""

from functools import partial

from ops.bench.interleaving import Search, time_searches
from ops.bench.peers import PEER_NAMES, Peer
from ops.bench.report import Row, row
from ops.bench.vectors import Float32Array, recall
from ops.bench.workbench import K, Workbench


def measure(bench: Workbench) -> list[Row]:
    """Queries per second, recall and adds per second of one thread; the baseline is raw IndexHNSWSQ."""
    filling = bench.filling()
    filled = {name: peer for name in PEER_NAMES if (peer := bench.peer(name))}
    bench.note("searching the peers and the raw graph in turns")
    systems: dict[str, Search] = {"raw": lambda query: filling.raw.search(query, K)}
    for name, filled_peer in filled.items():
        systems[name] = partial(_search, filled_peer.peer)
    timed = time_searches(systems, bench.queries)
    true = bench.truth(filling.driver.live_numbers(), bench.queries)
    base, base_recall = timed["raw"], recall(timed["raw"].answers, true)
    base_inserts = bench.items / filling.raw_s
    rows: list[Row] = []
    for name, (_, seconds) in filled.items():
        found, found_recall = timed[name], recall(timed[name].answers, true)
        rows += [
            row(f"{name}: search rate / raw FAISS", found.per_second, "queries/s", baseline=base.per_second),
            row(f"{name}: recall@10 / raw FAISS", found_recall, "share", baseline=base_recall),
            row(f"{name}: insert rate / raw FAISS add", bench.items / seconds, "items/s", baseline=base_inserts),
        ]
    return rows


def _search(peer: Peer, query: Float32Array) -> list[int]:
    return peer.search(query, K)
