"""A stream worker under a cap of 512 MB of memory works within it, whatever comes, and loses nothing."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.bench.stream_changes import png_url
from schemas.changes import CatalogChange
from tests.process.stream_fixtures import Bench

CAP_BYTES = 512_000_000
ITEMS, TEXT_BYTES = 900, 30_000


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, partitions=12)
    yield bench
    bench.close()


@contextlib.contextmanager
def capped(pid: int) -> Iterator[bool]:
    """The kernel ends this process, and what it starts, when they take more than the cap; False where it can't be told.

    A control group below our own one (cgroups(7), version 1 or 2).
    """
    group = None
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(",") or not controllers:
            root = Path("/sys/fs/cgroup", *(["memory"] if controllers else []))
            group = root / path.lstrip("/") / f"lookalive-test-{os.getpid()}"
            limit = "memory.limit_in_bytes" if controllers else "memory.max"
            break
    try:
        assert group is not None
        group.mkdir()
        (group / limit).write_text(str(CAP_BYTES))
        (group / "cgroup.procs").write_text(str(pid))
    except (AssertionError, OSError):
        if group is not None:
            with contextlib.suppress(OSError):
                group.rmdir()
        yield False
        return
    try:
        yield True
    finally:
        for member in (group / "cgroup.procs").read_text().split():
            (group.parent / "cgroup.procs").write_text(member)
        group.rmdir()


def most_bytes(pid: int) -> int:
    """The most memory that a process had at once (proc(5), VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def test_it_stays_within_the_cap(bench: Bench) -> None:
    bench.install()
    bench.start()
    pid = bench.workers["1"].pid
    with capped(pid):
        bench.wait_ready()
        for number in range(ITEMS):
            # Large states, of items whose pictures come inside.
            text = os.urandom(TEXT_BYTES // 2).hex()
            item_id, images = f"sku-{number}", (png_url(1, number % 50),)
            bench.send(CatalogChange(op="upsert", item_id=item_id, images=images, attributes={"t": text}), item_id)
            bench.send(CatalogChange(op="patch", item_id=item_id, attributes={"n": number}), item_id)
        bench.flush()
        bench.settle()
        states = bench.states()
        assert {i: state.values() for i, state in states.items()} == {i: s.values() for i, s in bench.oracle.items()}
        assert len(bench.vectors()) == ITEMS
        assert most_bytes(pid) < CAP_BYTES
        assert bench.workers["1"].poll() is None
        assert bench.workers["1"].pid == pid
        assert bench.terminate() == 0
