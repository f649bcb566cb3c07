"""How fast a shard that nobody searches yet takes vectors in, beside the raw graph's own add."""

from ops.bench.report import Row, row
from ops.bench.workbench import Workbench

AT_LEAST_OF_RAW = 0.8


def measure(bench: Workbench) -> list[Row]:
    """Items per second from records to the last one drained; the raw graph is given whole blocks, its quickest way."""
    filling = bench.filling()
    return [
        row(
            "bulk insert rate / raw FAISS add",
            bench.items / filling.driver_s,
            "items/s",
            baseline=bench.items / filling.raw_s,
            at_least=AT_LEAST_OF_RAW,
        )
    ]
