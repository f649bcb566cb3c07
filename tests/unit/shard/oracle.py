"""What a shard must answer, worked out the slow way: a dict of items and brute force over their vectors."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from index_shards.applying import Applied
from index_shards.item_store import Offsets
from index_shards.searcher import Query
from index_shards.shard import Shard
from index_shards.snapshot import Identity
from schemas.changes import CatalogChange
from schemas.cluster import Generation
from schemas.errors import Busy, UnknownItem
from schemas.filters import matches, parse_filter
from schemas.item_state import ItemState, Origin, Stamp, apply_change, decode_state, encode_state, join
from schemas.queries import StoredItem, unpack_vector
from schemas.settings import IndexSettings
from schemas.vector_record import StageTimes, VectorRecord, make_vector_record

MODEL = "fake-1"
DIMENSION = 16
OFFSETS: Offsets = {"items.state": {0: 7, 2: 9}, "vectors.g1": {0: 3, 2: 4}}


def generation(dimension: int = DIMENSION, **values: Any) -> Generation:
    return Generation(name="g1", model="fake", fingerprint=MODEL, dimension=dimension, shards=2, **values)


def identity(of: Generation, log_id: str = "log-1", shard: int = 0) -> Identity:
    return Identity(
        log_id=log_id,
        generation=of.name,
        fingerprint=of.fingerprint,
        dimension=of.dimension,
        storage=of.storage,
        partitions=4,
        shards=of.shards,
        shard=shard,
    )


def index_settings(**values: Any) -> IndexSettings:
    return IndexSettings(**{"buffer_capacity": 16, "buffer_drain": 4} | values)


class Clock:
    """Microseconds that pass by one at every look."""

    def __init__(self) -> None:
        self.now_us = 1_000_000

    def __call__(self) -> int:
        self.now_us += 1
        return self.now_us


def open_shard(folder: Path, of: Generation | None = None, log_id: str = "log-1", **settings: Any) -> Shard:
    """A shard that serves what its newest snapshot holds."""
    of = of or generation()
    shard = Shard(of, identity(of, log_id), folder, index_settings(**settings), Clock())
    shard.open()
    shard.serve()
    return shard


def picture_vector(fingerprint: bytes, dimension: int = DIMENSION) -> npt.NDArray[np.float32]:
    """The fp16-exact unit vector that this picture has."""
    seed = int.from_bytes(hashlib.blake2b(fingerprint, digest_size=8).digest(), "little")
    vector = np.random.default_rng(seed).standard_normal(dimension).astype(np.float32)
    return (vector / np.linalg.norm(vector)).astype(np.float16).astype(np.float32)


def vectors_of(image_at: Stamp, *fingerprints: bytes, model: str = MODEL, dimension: int = DIMENSION) -> VectorRecord:
    if not fingerprints:
        return VectorRecord(image_at, model, dimension)
    rows = np.stack([picture_vector(f, dimension) for f in fingerprints])
    return make_vector_record(image_at, model, fingerprints, rows, StageTimes())


def change_state(
    item_id: str, op: str, version: int, offset: int, attributes: dict[str, Any] | None = None, images: int = 1
) -> ItemState:
    """The state of an item that only ever saw this change."""
    change = CatalogChange(
        op=op,  # type: ignore[arg-type]
        item_id=item_id,
        images=("x",) * images if op == "upsert" and images else None,
        attributes=attributes if op != "delete" else None,
        version=version,
        time_us=1000 + version,
    )
    return apply_change(None, change, Origin(0, offset, 1000 + version))


def patiently(shard: Shard, apply: Callable[[], Applied]) -> Applied:
    """Apply; drain when the buffer is full."""
    while True:
        try:
            return apply()
        except Busy:
            assert shard.drain() > 0


class Oracle:
    """Items by the rules, without a shard."""

    def __init__(self) -> None:
        self.states: dict[str, ItemState] = {}
        self.pictures: dict[str, VectorRecord] = {}

    def state(self, state: ItemState) -> None:
        known = self.states.get(state.item_id)
        self.states[state.item_id] = state if known is None else join(known, state)

    def vectors(self, item_id: str, record: VectorRecord) -> None:
        known = self.pictures.get(item_id)
        if known is None or record.image_at > known.image_at:
            self.pictures[item_id] = record

    def null_state(self, item_id: str, as_of: Stamp | None = None) -> None:
        held = self.states.get(item_id)
        if held is not None and held.newest is not None and as_of is not None and held.newest > as_of:
            return
        state = self.states.pop(item_id, None)
        known = self.pictures.get(item_id)
        if state is not None and known is not None and state.newest is not None and known.image_at <= state.newest:
            del self.pictures[item_id]

    def null_vectors(self, item_id: str, as_of: Stamp | None = None) -> None:
        held = self.pictures.get(item_id)
        if held is not None and (as_of is None or held.image_at <= as_of):
            del self.pictures[item_id]

    def findable(self) -> dict[str, tuple[ItemState, VectorRecord]]:
        found = {}
        for item_id, state in self.states.items():
            record = self.pictures.get(item_id)
            if record is None or record.is_delete or not state.live:
                continue
            if state.deleted is None or record.image_at > state.deleted:
                found[item_id] = (state, record)
        return found

    def fingerprints(self) -> set[bytes]:
        """The pictures that are, or may yet be, found: those no delete has made void."""
        deleted = {item_id: state.deleted for item_id, state in self.states.items() if state.deleted is not None}
        kept = [r for i, r in self.pictures.items() if i not in deleted or r.image_at > deleted[i]]
        return {fingerprint for record in kept for fingerprint in record.fingerprints}

    def search(
        self,
        vector: npt.NDArray[np.float32],
        k: int,
        raw_filter: dict[str, Any] | None = None,
        exclude: str | None = None,
    ) -> list[tuple[str, float]]:
        wanted = parse_filter(raw_filter or {})
        scored = [
            (item_id, round(float(max(record.matrix().astype(np.float64) @ vector.astype(np.float64))), 6))
            for item_id, (state, record) in self.findable().items()
            if item_id != exclude and matches(wanted, state.values())
        ]
        return sorted(scored, key=lambda hit: (-hit[1], hit[0]))[:k]


def check_same(shard: Shard, oracle: Oracle, item_ids: list[str], queries: list[npt.NDArray[np.float32]]) -> None:
    """Every item, and every search in every way, is as the oracle has it."""
    there = oracle.findable()
    assert shard.counts().items == len(there)
    for item_id in item_ids:
        check_item(shard, item_id, there.get(item_id))
    for vector in queries:
        for k, raw_filter, exact, exclude in SEARCHES:
            wanted = None if raw_filter is None else parse_filter(raw_filter)
            found = shard.search(Query(vector, k, wanted, exact, exclude))
            expected = oracle.search(vector, k, raw_filter, exclude)
            check_hits([(hit.item_id, hit.score) for hit in found.items], expected)
            for hit in found.items:
                assert msgspec.json.decode(hit.attributes) == there[hit.item_id][0].values()


SEARCHES: list[tuple[int, dict[str, Any] | None, bool, str | None]] = [
    (1, None, False, None),
    (3, None, True, "a"),
    (100, None, False, None),
    (2, {"color": "red"}, False, None),
    (100, {"color": {"not": "red"}}, False, "b"),
]


def check_item(shard: Shard, item_id: str, expected: tuple[ItemState, VectorRecord] | None) -> None:
    try:
        check_item_answer(shard.get(item_id), expected)
    except UnknownItem:
        assert expected is None


def check_item_answer(stored: StoredItem | None, expected: tuple[ItemState, VectorRecord] | None) -> None:
    """The item is as expected; None where it cannot be found."""
    if stored is None or expected is None:
        assert stored is None
        assert expected is None
        return
    state, record = expected
    assert (stored.version, msgspec.json.decode(stored.attributes)) == (state.version, state.values())
    assert state.newest is not None
    assert stored.event_us == state.newest.time_us
    kept = {unpack_vector(row).tobytes() for row in stored.vectors}
    assert kept == {row.tobytes() for row in record.matrix()}


def check_hits(found: list[tuple[str, float]], expected: list[tuple[str, float]]) -> None:
    """Equal in order and in score."""
    assert [f for f, e in zip(found, expected, strict=False) if f[0] != e[0]] == []
    assert len(found) == len(expected)
    assert np.allclose([s for _, s in found], [s for _, s in expected], rtol=0, atol=1e-9)


def roundtrip(state: ItemState) -> ItemState:
    """The state as it comes out of the log."""
    return decode_state(encode_state(state))
