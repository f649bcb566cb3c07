"""A node that is killed again and again in the middle of changes ends up with exactly what the log says."""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.item_state import ItemState, Stamp, join
from tests.process.node_fixtures import NodeRig
from tests.unit.shard.oracle import Oracle, change_state, check_hits, check_item_answer, picture_vector, vectors_of

KILLS, BURST, NAMES = 5, 500, 120


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[NodeRig]:
    rig = NodeRig(tmp_path, snapshot_every_s=0.2)
    yield rig
    rig.close()


class Catalogue:
    """Random changes of few items, written as the stream workers would: merged states, then vectors."""

    def __init__(self, rig: NodeRig, chance: random.Random) -> None:
        self.rig, self.chance, self.oracle = rig, chance, Oracle()
        self.offset = 0

    def change(self) -> None:
        """One change of one item; now and then a repetition of an old record."""
        self.offset += 1
        name = f"item-{self.chance.randrange(NAMES)}"
        op = self.chance.choices(["upsert", "patch", "delete"], [6, 3, 2])[0]
        attributes = {"n": self.offset, "color": self.chance.choice(["red", "blue"])}
        pictures = self.chance.randrange(3) if op == "upsert" else 0
        state = self.merged(change_state(name, op, self.offset, self.offset, attributes, pictures))
        self.rig.send_state(state)
        self.oracle.state(state)
        if pictures:
            shown = [f"picture-{self.chance.randrange(80)}".encode() for _ in range(pictures)]
            self.vectors(name, Stamp(self.offset, 1000 + self.offset, self.offset, 1), *dict.fromkeys(shown))
        if self.chance.random() < 0.05:
            self.rig.send_state(state)

    def merged(self, state: ItemState) -> ItemState:
        known = self.oracle.states.get(state.item_id)
        return state if known is None else join(known, state)

    def vectors(self, name: str, at: Stamp, *pictures: bytes) -> None:
        record = vectors_of(at, *pictures)
        self.rig.send_vectors(name, record)
        self.oracle.vectors(name, record)


def test_killed_at_any_moment(rig: NodeRig) -> None:
    seed = int(os.environ.get("SIGKILL_SEED", str(random.randrange(10**6))))
    print(f"seed {seed}")
    chance = random.Random(seed)
    catalogue = Catalogue(rig, chance)
    rig.install()
    rig.start()
    for _ in range(KILLS):
        rig.wait_ready()
        for _ in range(BURST):
            catalogue.change()
        rig.flush()
        time.sleep(chance.uniform(0, 0.6))
        rig.kill()
        for _ in range(BURST // 5):
            catalogue.change()
        rig.start()
    rig.wait_ready()
    rig.flush()
    rig.wait_applied()
    assert "restored=True" in rig.log()
    there = catalogue.oracle.findable()
    assert sum(s.items for s in rig.status().shards) == len(there)
    for n in range(NAMES):
        check_item_answer(rig.item(f"item-{n}"), there.get(f"item-{n}"))
    for n in range(10):
        vector = picture_vector(f"query-{n}".encode())
        check_hits(rig.search(vector, 200), catalogue.oracle.search(vector, 200))
