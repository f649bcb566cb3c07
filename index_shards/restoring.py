"""What of a shard goes into a snapshot, and how it grows back from one."""

import gc
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from pyroaring import BitMap

from index_shards.applying import shown_of
from index_shards.candidates import Int64Array
from index_shards.graph_kinds import load_graph
from index_shards.id_map import RestoredItem
from index_shards.item_store import ItemStore, Offsets
from index_shards.snapshot import Snapshot
from index_shards.tiers import Tiers
from schemas.cluster import Generation
from schemas.disk import cannot_write, disk_reason
from schemas.item_state import decode_state

GRAPH, POSITIONS, BUFFER, ITEMS = "graph.faiss", "positions.npy", "buffer.npz", "items"
# What graphs keep on disk while they live; beside the item store's folder.
ORIGINALS = "originals"
# So many items are named at a time.
BATCH = 8192
# NumPy reads an array's header with `ast.literal_eval`. CPython 3.11 counts the depth of what that builds in one place
# for all threads: two of them at once can end in "SystemError: AST constructor recursion depth mismatch".
_ONE_READS_ARRAYS = threading.Lock()

log = structlog.get_logger()


def write_snapshot(folder: Path, tiers: Tiers, store: ItemStore, offsets: Offsets) -> None:
    """Write every part of a shard; nothing is applied or drained meanwhile."""
    store.checkpoint(folder / ITEMS, offsets)
    np.save(folder / POSITIONS, tiers.graph.write(folder / GRAPH))
    ordinals, vectors = tiers.buffer.oldest(len(tiers.buffer))
    kept = ordinals != 0
    # The vectors came as fp16, so nothing is lost.
    np.savez(folder / BUFFER, ordinals=ordinals[kept], vectors=vectors[kept].astype(np.float16))


def load_snapshot(
    snapshot: Snapshot, generation: Generation, buffer_capacity: int, work: Path, report: Callable[[float], None]
) -> tuple[Tiers, ItemStore] | None:
    """The shard as it was; None, and a line in the log, when the parts do not fit together.

    `work` must not exist; the item store works in it, and the graph beside it. `report` is told the share of the
    pictures that are named again.

    Raises:
        DiskFailed: the disk has no room for the working copy.
    """
    store: ItemStore | None = None
    try:
        tiers = _read_tiers(snapshot.folder, generation, buffer_capacity, work.with_name(ORIGINALS))
        shutil.copytree(snapshot.folder / ITEMS, work)
        store = ItemStore(work)
        _check_offsets(store, snapshot.manifest.offsets)
        _name_everything(tiers, store, report)
    except Exception as error:
        # RocksDB raises nothing narrower, and the snapshot before may do; but no other one needs less of a full disk.
        if store is not None:
            store.close()
        if (reason := disk_reason(error)) is not None:
            raise cannot_write("a snapshot's copy", work, reason) from error
        log.warning("snapshot_unusable", folder=str(snapshot.folder), reason=str(error))
        return None
    return tiers, store


def _read_tiers(folder: Path, generation: Generation, buffer_capacity: int, originals: Path) -> Tiers:
    with _ONE_READS_ARRAYS:
        positions: Int64Array = np.load(folder / POSITIONS)
        with np.load(folder / BUFFER) as fresh:
            ordinals, vectors = fresh["ordinals"], fresh["vectors"].astype(np.float32)
    graph = load_graph(generation, originals, folder / GRAPH, positions)
    tiers = Tiers(generation, max(buffer_capacity, len(ordinals)), originals, graph)
    for ordinal, vector in zip(ordinals.tolist(), vectors, strict=True):
        tiers.buffer.append(ordinal, vector, hidden=True)
    return tiers


def _check_offsets(store: ItemStore, wanted: Offsets) -> None:
    if store.offsets() != wanted:
        raise ValueError(f"the items are as of {store.offsets()}, the rest as of {wanted}")


def _name_everything(tiers: Tiers, store: ItemStore, report: Callable[[float], None]) -> None:
    """Rebuild the id map and the attributes from the items' records, and bury what none of them has.

    Raises:
        ValueError: a record has a picture whose vector is not there.
    """
    with _uncollected():
        tiers.attributes.add_many(_named(tiers, store, report))
    graph, pictures = tiers.graph, tiers.id_map.pictures
    live = pictures.live()
    settled = graph.places.ordinals[: len(graph)]
    fresh, _ = tiers.buffer.oldest(len(tiers.buffer))
    if not np.isin(live, np.concatenate([settled, fresh])).all():
        raise ValueError("the items have pictures without vectors")
    settled[~np.isin(settled, live)] = 0
    graph.places.tombstones.mark_all(~pictures.findable(settled))
    for ordinal in fresh.tolist():
        tiers.buffer.hide(ordinal, not tiers.id_map.is_visible(ordinal))


@contextmanager
def _uncollected() -> Iterator[None]:
    """No looking for cycles among millions of objects that are all there to stay."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _named(tiers: Tiers, store: ItemStore, report: Callable[[float], None]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Put every item with a picture into the id map; the numbers and attributes of those that can be found."""
    id_map, used = tiers.id_map, BitMap()
    pictures = max(len(tiers.graph) - tiers.graph.forgotten + len(tiers.buffer), 1)
    batch: list[RestoredItem] = []
    for item_id, record in store.records():
        if not record.ordinals:
            continue
        state = None if record.state is None else decode_state(record.state)
        values = {} if state is None else state.values()
        shown = shown_of(record, state, values)
        if len(record.ordinals) == 1:
            batch.append(RestoredItem(record.number, item_id, record.ordinals[0], shown.attributes, shown.findable))
        else:
            id_map.pictures.restore(record.ordinals)
            id_map.items.restore(record.number, item_id)
            id_map.put(record.number, (), shown)
        used.add(record.number)
        if len(batch) == BATCH:
            id_map.restore_many(batch)
            batch.clear()
            report(min(id_map.pictures.count / pictures, 1.0))
        if shown.findable:
            yield record.number, values
    id_map.restore_many(batch)
    report(1.0)
    id_map.pictures.restored()
    id_map.items.restored(used)
