"""The merge handler against `apply_change`: over any log, with forwarding, and again over any suffix of it."""

import zlib
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from schemas.changes import CatalogChange, encode_change
from schemas.item_state import ItemState, Origin, apply_change, decode_state
from schemas.topics import partition_of
from streams.merge import MergeHandler
from streams.origin import ChangeRecord, origin_header

PARTITIONS = 4
ITEMS = [f"sku-{i}" for i in range(5)]

attributes = st.dictionaries(st.sampled_from("abc"), st.none() | st.integers(0, 9) | st.text(max_size=3), max_size=3)
versions = st.none() | st.integers(-2, 5)
times = st.none() | st.integers(0, 50)
images = st.none() | st.lists(st.sampled_from(["file:///a.png", "file:///b.png"]), max_size=2).map(tuple)
changes = st.one_of(
    st.builds(
        CatalogChange,
        op=st.just("upsert"),
        item_id=st.sampled_from(ITEMS),
        images=images,
        attributes=st.none() | attributes,
        version=versions,
        time_us=times,
    ),
    st.builds(
        CatalogChange,
        op=st.just("patch"),
        item_id=st.sampled_from(ITEMS),
        attributes=attributes,
        version=versions,
        time_us=times,
    ),
    st.builds(CatalogChange, op=st.just("delete"), item_id=st.sampled_from(ITEMS), version=versions, time_us=times),
)


class Log:
    """`catalog.changes` and the tables of its partitions, in memory."""

    def __init__(self) -> None:
        self.partitions: list[list[ChangeRecord]] = [[] for _ in range(PARTITIONS)]
        self.tables: list[dict[str, bytes]] = [{} for _ in range(PARTITIONS)]
        self.handler = MergeHandler(PARTITIONS, lambda pictures: ["store:none" for _ in pictures], 1000)
        self.forwards = 0

    def append(self, partition: int, item_id: str, value: bytes | None, time_us: int, headers: object = None) -> Origin:
        log = self.partitions[partition]
        log.append(ChangeRecord(item_id.encode(), value, partition, len(log), time_us, headers))  # type: ignore[arg-type]
        return Origin(partition, len(log) - 1, time_us)

    def consume(self, positions: list[int], choose: Callable[[int], int]) -> None:
        """Read on from these positions, in some interleaving of the partitions, until nothing is left."""
        while waiting := [p for p in range(PARTITIONS) if positions[p] < len(self.partitions[p])]:
            partition = waiting[choose(len(waiting) - 1)]
            table = self.tables[partition]
            merged = self.handler.handle(self.partitions[partition][positions[partition]], table.get)
            positions[partition] += 1
            assert not merged.rejects
            if merged.write is not None:
                assert partition == partition_of(merged.write.item_id, PARTITIONS)
                table[merged.write.item_id] = merged.write.value
            if merged.forward is not None:
                self.forwards += 1
                forward = merged.forward
                header = origin_header(forward.origin)
                self.append(forward.partition, forward.item_id, forward.value, forward.origin.time_us, [header])

    def states(self) -> dict[str, ItemState]:
        return {item_id: decode_state(value) for table in self.tables for item_id, value in table.items()}


def produced(log: Log, batch: list[CatalogChange]) -> dict[str, ItemState]:
    """Put changes where a plain client does, by CRC32, and say what must come of them."""
    oracle: dict[str, ItemState] = {}
    for time_us, change in enumerate(batch):
        partition = zlib.crc32(change.item_id.encode()) % PARTITIONS
        origin = log.append(partition, change.item_id, encode_change(change), time_us)
        oracle[change.item_id] = apply_change(oracle.get(change.item_id), change, origin)
    return oracle


@given(st.lists(changes, max_size=25), st.data())
def test_any_log_gives_the_states_of_the_merge(batch: list[CatalogChange], data: st.DataObject) -> None:
    log = Log()
    oracle = produced(log, batch)
    log.consume([0] * PARTITIONS, lambda most: data.draw(st.integers(0, most)))
    assert log.states() == oracle
    misplaced = sum(zlib.crc32(c.item_id.encode()) % PARTITIONS != partition_of(c.item_id, PARTITIONS) for c in batch)
    assert log.forwards == misplaced


@given(st.lists(changes, max_size=25), st.data())
def test_reading_any_suffix_again_changes_nothing(batch: list[CatalogChange], data: st.DataObject) -> None:
    log = Log()
    oracle = produced(log, batch)
    log.consume([0] * PARTITIONS, lambda most: data.draw(st.integers(0, most)))
    committed = [data.draw(st.integers(0, len(partition))) for partition in log.partitions]
    log.consume(committed, lambda most: data.draw(st.integers(0, most)))
    assert log.states() == oracle
