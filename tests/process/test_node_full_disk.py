"""A node whose disk is full says so, goes on answering, takes no more than it can keep, and loses nothing."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.item_state import Stamp
from tests.conftest import SmallDisk
from tests.process.node_fixtures import NodeRig
from tests.unit.shard.oracle import Oracle, change_state, check_item_answer, picture_vector, vectors_of

MIB = 1024 * 1024
BEFORE, MEANWHILE, TEXT_BYTES = 60, 1800, 8000
ROUNDING = 1e-3


class Shop:
    """Items with long texts, so that their records soon fill what RocksDB keeps in memory."""

    def __init__(self, rig: NodeRig) -> None:
        self.rig, self.oracle = rig, Oracle()

    def put(self, name: str) -> None:
        state = change_state(name, "upsert", 1, 1, {"text": os.urandom(TEXT_BYTES // 2).hex()})
        record = vectors_of(Stamp(1, 1001, 1, 1), name.encode())
        self.oracle.state(state)
        self.oracle.vectors(name, record)
        self.rig.send_state(state)
        self.rig.send_vectors(name, record)

    def check(self, names: list[str]) -> None:
        """Every item is found and no other, and a tenth of these are in every part as the oracle has them."""
        there = self.oracle.findable()
        vector = picture_vector(names[0].encode())
        found = dict(self.rig.search(vector, len(there) + 10, exact=True))
        expected = dict(self.oracle.search(vector, len(there)))
        assert found.keys() == expected.keys()
        assert all(abs(found[name] - score) < ROUNDING for name, score in expected.items())
        for name in names[::10]:
            check_item_answer(self.rig.item(name), there.get(name))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[NodeRig]:
    rig = NodeRig(tmp_path, buffer_capacity=4000)
    yield rig
    rig.close()


def says(words: str, ready: tuple[int, Any]) -> bool:
    """Whether the node is not ready, with these words."""
    return ready[0] == 503 and words in str(ready[1])


def test_it_says_so_answers_and_goes_on(rig: NodeRig, small_disk: Callable[[int], SmallDisk]) -> None:
    disk = small_disk(96 * MIB)
    rig.settings = msgspec.structs.replace(rig.settings, data_dir=str(disk.folder))
    rig.install()
    rig.start()
    rig.wait_ready()
    shop = Shop(rig)
    before = [f"before-{n}" for n in range(BEFORE)]
    for name in before:
        shop.put(name)
    rig.flush()
    rig.wait_applied()
    rig.eventually(lambda: [s.snapshot_us for s in rig.status().shards], all)
    rig.fixed_url = rig.url

    disk.fill()
    meanwhile: list[str] = []

    def told_after_more() -> Any:
        """RocksDB takes room ahead, so that some more fits into what it has."""
        names = [f"meanwhile-{len(meanwhile) + n}" for n in range(MEANWHILE)]
        for name in names:
            shop.put(name)
        meanwhile.extend(names)
        rig.flush()
        time.sleep(1)
        return rig.ready()

    rig.eventually(told_after_more, partial(says, "items cannot be written"))
    rig.eventually(rig.ready, partial(says, "a snapshot cannot be written"))
    reasons = rig.ready()[1]["error"]["details"]["reasons"]
    assert all(str(disk.folder) in reason and "(0.0 of 96.0 MiB are free)" in reason for reason in reasons), reasons
    # At least one of the shards has come so far that its disk must take what it is to apply.
    applied = rig.eventually(lambda: applied_for_a_while(rig), bool)
    for name in before:
        check_item_answer(rig.item(name), shop.oracle.findable()[name])
    assert rig.search(picture_vector(b"before-7"), 1)[0][0] == "before-7"
    assert [shard.applied for shard in rig.status().shards] == applied

    disk.empty()
    rig.wait_applied()
    rig.wait_ready()
    shop.check(before + meanwhile)
    rig.eventually(lambda: [rig.committed(shard.shard) == shard.applied for shard in rig.status().shards], all)
    rig.kill()
    rig.fixed_url = None
    restart_on_a_full_disk(rig, disk)
    shop.check(before + meanwhile)
    assert rig.terminate() == 0


def applied_for_a_while(rig: NodeRig) -> list[dict[str, dict[int, int]]]:
    """What each shard has applied, when some of it waits and nothing more is applied; otherwise nothing."""
    first = rig.status().shards
    time.sleep(1)
    second = rig.status().shards
    held = any(max(shard.lag.values()) > 0 for shard in second)
    applied = [shard.applied for shard in second]
    return applied if held and applied == [shard.applied for shard in first] else []


def restart_on_a_full_disk(rig: NodeRig, disk: SmallDisk) -> None:
    """The working copy finds no room; the snapshot is not given up for that."""
    for work in disk.folder.glob("nodes/n1/g1/*/work"):
        shutil.rmtree(work)
    disk.fill()
    rig.start()
    rig.eventually(rig.log, lambda log: "shard_waits_for_disk" in log.rpartition("node_listens")[2])
    disk.empty()
    rig.wait_ready()
    assert "snapshot_unusable" not in rig.log()
