"""A node that is killed in every phase of its work, again and again, ends up with exactly what the log says."""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from schemas.cluster import Storage
from schemas.item_state import ItemState, Stamp, join
from schemas.queries import ShardSearch, pack_vector
from schemas.topics import partition_of, shard_of
from tests.process.crash_phases import RunningNode
from tests.process.node_fixtures import GENERATION, PARTITIONS, SHARDS, NodeRig
from tests.unit.shard.oracle import Oracle, change_state, check_hits, check_item_answer, picture_vector, vectors_of

PHASES = ("apply", "drain", "compaction", "snapshot", "restore")
KILLS_OF_EACH = 4
# How often a kill may come too late for its phase, and how long a phase may be waited for.
MOST_MISSES, PHASE_WITHIN_S = 30, 60.0
# Changes written before a phase is looked out for, and with each look at it.
AT_ONCE = {"apply": 1500, "drain": 1500, "compaction": 500, "snapshot": 200, "restore": 300}
MEANWHILE = {"apply": 0, "drain": 0, "compaction": 50, "snapshot": 10, "restore": 0}
MOST_BEHIND = 4000
# About how long each phase lasts; the kill comes at a random moment of it. Halved whenever that was too late.
LASTS_S = {"apply": 0.3, "drain": 0.3, "compaction": 0.8, "snapshot": 0.1, "restore": 0.1}
ITEMS, SHARED_PICTURES, QUERIES = 400, 60, 3
EVERYTHING, ROUNDING = 10_000, 1e-5


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[NodeRig]:
    rig = NodeRig(
        tmp_path,
        buffer_capacity=512,
        snapshot_every_s=0.3,
        compaction_cpu_share=0.05,
        buffer_idle_s=0.5,
    )
    yield rig
    rig.close()


class Catalogue:
    """Random changes of few items, written as the stream workers would: merged states, then vectors."""

    def __init__(self, rig: NodeRig, seed: int) -> None:
        self.rig, self.chance, self.oracle = rig, random.Random(seed), Oracle()
        self.names = [f"item-{n}" for n in range(ITEMS)]
        self.offset = self.written = 0

    def change(self) -> None:
        """One change of one item; now and then a repetition of an old record."""
        self.offset += 1
        name = self.chance.choice(self.names)
        op = self.chance.choices(["upsert", "patch", "delete"], [7, 3, 1])[0]
        attributes = {"n": self.offset, "color": self.chance.choice(["red", "blue"])}
        pictures = self.chance.choices([0, 1, 2, 3], [1, 6, 1, 1])[0] if op == "upsert" else 0
        before = self.oracle.states.get(name)
        state = self.merged(change_state(name, op, self.offset, self.offset, attributes, pictures))
        self.send_state(state)
        self.oracle.state(state)
        if pictures:
            shown = dict.fromkeys(self.picture(n) for n in range(pictures))
            record = vectors_of(Stamp(self.offset, 1000 + self.offset, self.offset, 1), *shown)
            self.rig.send_vectors(name, record)
            self.written += 1
            self.oracle.vectors(name, record)
        if before is not None and self.chance.random() < 0.1:
            self.send_state(self.chance.choice([before, state]))

    def changes(self, count: int) -> None:
        for _ in range(count):
            self.change()
        self.rig.flush()

    def picture(self, number: int) -> bytes:
        """Of every four pictures one is shared with other items, and may come again."""
        if self.chance.random() < 0.25:
            return f"shared-{self.chance.randrange(SHARED_PICTURES)}".encode()
        return f"own-{self.offset}-{number}".encode()

    def merged(self, state: ItemState) -> ItemState:
        known = self.oracle.states.get(state.item_id)
        return state if known is None else join(known, state)

    def send_state(self, state: ItemState) -> None:
        self.rig.send_state(state)
        self.written += 1


class Killer:
    """Kills the node in given phases, at random moments of them; `hits` and `misses` (too late) count by phase."""

    def __init__(self, rig: NodeRig, catalogue: Catalogue, seed: int) -> None:
        self.rig, self.catalogue, self.chance = rig, catalogue, random.Random(seed)
        self.hits: Counter[str] = Counter()
        self.misses: Counter[str] = Counter()
        self.lasts_s = dict(LASTS_S)
        self.node: RunningNode | None = None

    def strike(self, phase: str) -> None:
        """Kill it in this phase; the node is not running afterwards."""
        for _ in range(MOST_MISSES):
            if phase == "restore" and self.node is not None:
                self.kill("between")
            node = self.running()
            if phase != "restore":
                self.catalogue.changes(AT_ONCE[phase])
            seen = self.wait_for(node, phase)
            if seen:
                time.sleep(self.chance.uniform(0, self.lasts_s[phase]))
            if not (seen and node.going_on(phase, self.catalogue.written)):
                self.misses[phase] += 1
                self.lasts_s[phase] /= 1 + seen
                node.wait_listening()
                continue
            self.kill("unknown")
            hit = phase if node.was_cut(phase) else "between"
            self.hits.update({hit: 1, "unknown": -1})
            if hit == phase:
                return
        pytest.fail(f"{phase} was never hit: {dict(self.hits)}\n{self.rig.log()}")

    def wait_for(self, node: RunningNode, phase: str) -> bool:
        """Until the phase goes on; False when there was nothing more to wait for."""
        deadline_s = time.monotonic() + PHASE_WITHIN_S
        if phase != "restore":
            node.wait_listening()
        while time.monotonic() < deadline_s:
            assert self.rig.process is not None
            assert self.rig.process.poll() is None, self.rig.log()
            if node.going_on(phase, self.catalogue.written):
                return True
            if phase == "restore":
                if "shard_opened" in node.log():
                    return False
                continue
            behind = self.catalogue.written - node.look().applied
            if MEANWHILE[phase] and behind < MOST_BEHIND:
                self.catalogue.changes(MEANWHILE[phase])
            elif not behind:
                return False
        pytest.fail(f"no {phase} within {PHASE_WITHIN_S} s: {dict(self.hits)}\n{self.rig.log()}")

    def running(self) -> RunningNode:
        if self.node is None:
            self.node = RunningNode(self.rig)
        return self.node

    def kill(self, phase: str) -> None:
        assert self.node is not None
        self.node.kill()
        self.node = None
        self.hits[phase] += 1


@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", range(int(os.environ.get("SOAK_ROUNDS", "1"))))
def test_killed_in_every_phase(rig: NodeRig, number: int) -> None:
    """Every other round is of the storage that keeps its vectors on disk."""
    storage: Storage = "small" if number % 2 else "fp16"
    seed = int(os.environ.get("SIGKILL_SEED", str(random.SystemRandom().randrange(10**6))))
    print(f"seed {seed}, storage {storage}")
    catalogue = Catalogue(rig, seed)
    killer = Killer(rig, catalogue, seed + 1)
    rig.install(generation=msgspec.structs.replace(GENERATION, storage=storage))
    phases = list(PHASES) * KILLS_OF_EACH
    killer.chance.shuffle(phases)
    # What is never snapshotted is never restored.
    phases.insert(0, phases.pop(phases.index("snapshot")))
    started_s = time.monotonic()
    try:
        for phase in phases:
            killer.strike(phase)
            check_whole_index(rig, killer.running(), catalogue)
    finally:
        killer.hits += Counter()
        print(f"kills: {dict(killer.hits)}, too late: {dict(killer.misses)}, {catalogue.offset} changes")
        print(f"{time.monotonic() - started_s:.0f} s")
        if killer.node is not None:
            killer.node.kill()
    assert all(killer.hits[phase] >= KILLS_OF_EACH for phase in PHASES), killer.hits


def check_whole_index(rig: NodeRig, node: RunningNode, catalogue: Catalogue) -> None:
    """Every item is there as the oracle has it, by its id and by its picture, and nothing else is.

    It came from the newest snapshot and what follows in the log: none was passed over, however late the kill came.
    """
    node.wait_listening()
    rig.wait_ready()
    rig.eventually(lambda: node.look().applied, lambda applied: applied == catalogue.written)
    log = node.log()
    assert (log.count("restored=True"), log.count(" snapshot_unusable")) == (node.restorable, 0), log
    assert " snapshot_skipped" not in log, log
    oracle = catalogue.oracle
    there = oracle.findable()
    assert sum(shard.items for shard in node.look().shards) == len(there)
    owners: dict[bytes, set[str]] = {}
    for name, (_, record) in there.items():
        for fingerprint in record.fingerprints:
            owners.setdefault(fingerprint, set()).add(name)
    for name in catalogue.names:
        shard = shard_of(partition_of(name, PARTITIONS), SHARDS)
        check_item_answer(node.item(shard, name), there.get(name))
        if name in there:
            fingerprint = there[name][1].fingerprints[0]
            vector = picture_vector(fingerprint)
            own_score = float(vector @ vector) - ROUNDING
            hits = node.search(shard, ShardSearch(vector=pack_vector(vector), k=ITEMS))
            found = {item_id for item_id, score, _ in hits if score > own_score}
            assert found == {n for n in owners[fingerprint] if shard_of(partition_of(n, PARTITIONS), SHARDS) == shard}
    for n in range(QUERIES):
        check_everything_is_found(node, oracle, picture_vector(f"query-{n}".encode()))


def check_everything_is_found(node: RunningNode, oracle: Oracle, vector: np.ndarray) -> None:
    """An exact search for more than there is has every item once, with its score and its attributes."""
    asked = ShardSearch(vector=pack_vector(vector), k=EVERYTHING, exact=True)
    hits = [hit for shard in range(SHARDS) for hit in node.search(shard, asked)]
    hits.sort(key=lambda hit: (-hit[1], hit[0]))
    check_hits([(item_id, score) for item_id, score, _ in hits], oracle.search(vector, EVERYTHING))
    states = {item_id: state for item_id, (state, _) in oracle.findable().items()}
    assert {i: msgspec.json.decode(a or b"{}") for i, _, a in hits} == {i: s.values() for i, s in states.items()}
