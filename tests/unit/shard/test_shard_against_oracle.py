"""Any sequence of states, vectors and nulls, repeated and in any order, leaves the shard as the oracle has it."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from index_shards import compaction, graph_search
from index_shards.shard import Shard
from schemas.item_state import ItemState, Stamp
from schemas.vector_record import VectorRecord
from tests.unit.shard.oracle import (
    OFFSETS,
    Oracle,
    change_state,
    check_same,
    generation,
    open_shard,
    patiently,
    picture_vector,
    roundtrip,
    vectors_of,
)

ITEMS = ["a", "b", "c/ü", "d", "e"]
FINGERPRINTS = [bytes([n]) * 4 for n in range(1, 13)]
QUERIES = [picture_vector(b"query-1"), picture_vector(FINGERPRINTS[0])]
ATTRIBUTES = st.none() | st.dictionaries(
    st.sampled_from(["color", "size"]), st.sampled_from(["red", 1, True, None, ["red"]])
)


class ShardMachine(RuleBasedStateMachine):
    """Changes go into a log; its records are applied in whatever order and number, as are drains and restarts."""

    storage = "fp16"

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.generation = generation(storage=self.storage)
        self.shard: Shard = open_shard(Path(self.folder.name), self.generation, buffer_capacity=8)
        self.oracle = Oracle()
        self.states: list[ItemState] = []
        self.vectors: list[tuple[str, VectorRecord]] = []
        self.offset = 0

    @rule(
        item_id=st.sampled_from(ITEMS),
        op=st.sampled_from(["upsert", "upsert", "upsert", "patch", "delete"]),
        version=st.integers(0, 5),
        attributes=ATTRIBUTES,
        pictures=st.lists(st.sampled_from(FINGERPRINTS), max_size=3),
        apply=st.sampled_from(["neither", "state", "vectors", "both", "both"]),
    )
    def change(
        self,
        item_id: str,
        op: str,
        version: int,
        attributes: dict[str, object] | None,
        pictures: list[bytes],
        apply: str,
    ) -> None:
        self.offset += 1
        state = change_state(item_id, op, version, self.offset, attributes)
        self.states.append(state)
        if op == "upsert":
            assert state.upserted is not None
            self.vectors.append((item_id, vectors_of(state.upserted, *pictures)))
            if apply in ("vectors", "both"):
                self.apply_vectors(-1)
        if apply in ("state", "both"):
            self.apply_state(-1)

    @precondition(lambda self: self.states)
    @rule(index=st.integers(0, 10_000))
    def apply_state(self, index: int) -> None:
        state = self.states[index % len(self.states)]
        self.oracle.state(state)
        self.shard.apply_state(roundtrip(state))

    @precondition(lambda self: self.vectors)
    @rule(index=st.integers(0, 10_000))
    def apply_vectors(self, index: int) -> None:
        item_id, record = self.vectors[index % len(self.vectors)]
        self.oracle.vectors(item_id, record)
        patiently(self.shard, lambda: self.shard.apply_vectors(item_id, record))

    @rule(
        item_id=st.sampled_from(ITEMS),
        kind=st.sampled_from(["state", "vectors"]),
        as_of=st.none() | st.builds(Stamp, st.integers(0, 6), st.just(2**40), st.just(0), st.just(2)),
    )
    def null(self, item_id: str, kind: str, as_of: Stamp | None) -> None:
        if kind == "state":
            self.oracle.null_state(item_id, as_of)
            self.shard.forget_state(item_id, as_of)
        else:
            self.oracle.null_vectors(item_id, as_of)
            self.shard.forget_vectors(item_id, as_of)

    @rule()
    def drain(self) -> None:
        self.shard.drain()

    @rule()
    def compact(self) -> None:
        assert self.shard._tiers is not None
        assert compaction.compact(self.shard._tiers, stopped=lambda: False)

    @rule(corrupt=st.booleans())
    def restart(self, corrupt: bool) -> None:
        snapshot = self.shard.snapshot(OFFSETS)
        if corrupt:
            later = self.shard.snapshot(OFFSETS)
            sorted(later.folder.glob("graph.faiss*"))[-1].write_bytes(b"torn")
        assert snapshot.folder.exists()
        self.shard.close()
        self.shard = open_shard(Path(self.folder.name), self.generation, buffer_capacity=8)

    @invariant()
    def same(self) -> None:
        check_same(self.shard, self.oracle, ITEMS, QUERIES)

    @invariant()
    def every_vector_is_hidden_or_shown_as_its_picture(self) -> None:
        tiers = self.shard._tiers
        assert tiers is not None
        graph, id_map = tiers.graph, tiers.id_map
        dead = graph.places.tombstones.mask(len(graph)).tolist()
        assert dead.count(True) == self.shard.counts().dead_vectors
        view = tiers.buffer.view()
        marks = dict(zip(view.ordinals.tolist(), view.hidden.tolist(), strict=True))
        for position, ordinal in enumerate(graph.places.ordinals[: len(graph)].tolist()):
            assert ordinal == 0 or graph.places.position(ordinal) == position
            marks |= {ordinal: dead[position]} if ordinal else {}
            assert ordinal or dead[position]
        marks.pop(0, None)
        assert set(marks) == set(id_map.pictures.live().tolist())
        assert {o for o, hidden in marks.items() if not hidden} == {o for o in marks if id_map.is_visible(o)}
        assert id_map.pictures.count == len(marks)

    @invariant()
    def every_picture_is_known_by_its_fingerprint(self) -> None:
        applier = self.shard._applier
        assert applier is not None
        wanted = self.oracle.fingerprints()
        kept = {fingerprint: applier.store.picture(fingerprint) for fingerprint in FINGERPRINTS}
        assert {fingerprint for fingerprint, ordinal in kept.items() if ordinal is not None} == wanted
        assert {kept[fingerprint] for fingerprint in wanted} == set(applier.tiers.id_map.pictures.live().tolist())

    @invariant()
    def numbers_are_used_once(self) -> None:
        applier = self.shard._applier
        assert applier is not None
        items = applier.tiers.id_map.items
        records = {item_id: applier.store.get(item_id) for item_id in ITEMS}
        used = {record.number: item_id for item_id, record in records.items() if record.number >= 0}
        assert used == {number: item_id for number, item_id in enumerate(items.ids) if item_id}
        assert len(used) + len(items._free) == len(items.ids)
        assert applier.tiers.attributes.count == self.shard.counts().items

    def teardown(self) -> None:
        self.shard.close()
        self.folder.cleanup()


class Fp32ShardMachine(ShardMachine):
    storage = "fp32"


class SmallShardMachine(ShardMachine):
    storage = "small"


@pytest.fixture(autouse=True)
def _eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Walk the graph however small it is."""
    monkeypatch.setattr(graph_search, "SMALL", 0)
    monkeypatch.setattr(graph_search, "SCAN_BELOW", 0.1)


PROFILE = settings(
    max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)
TestFp16 = ShardMachine.TestCase
TestFp16.settings = PROFILE
TestSmall = SmallShardMachine.TestCase
TestSmall.settings = settings(PROFILE, max_examples=12)
TestFp32 = Fp32ShardMachine.TestCase
TestFp32.settings = settings(PROFILE, max_examples=8)


def test_a_delete_of_the_same_moment_wins(tmp_path: Path) -> None:
    shard = open_shard(tmp_path)
    shard.apply_state(change_state("a", "upsert", 1, 1))
    shard.apply_vectors("a", vectors_of(Stamp(1, 1001, 1, 1), b"p"))
    assert shard.counts().items == 1
    shard.apply_state(change_state("a", "delete", 1, 1))
    assert shard.counts().items == 0
    shard.close()
