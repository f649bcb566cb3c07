"""A damaged snapshot is passed over for the one before; one of another log or generation is never used."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import structlog

from index_shards.shard import Shard
from index_shards.snapshot import MANIFEST
from schemas.errors import UnknownItem
from tests.unit.shard.oracle import OFFSETS, change_state, generation, open_shard, patiently, vectors_of

LATER = {topic: {p: offset + 5 for p, offset in offsets.items()} for topic, offsets in OFFSETS.items()}


def put(shard: Shard, item_id: str, version: int) -> None:
    state = change_state(item_id, "upsert", version, version, {"n": version})
    assert state.upserted is not None
    shard.apply_state(state)
    record = vectors_of(state.upserted, item_id.encode())
    patiently(shard, lambda: shard.apply_vectors(item_id, record))


@pytest.fixture
def storage(request: pytest.FixtureRequest) -> str:
    """fp16, but where a test says otherwise."""
    kind: str = getattr(request, "param", "fp16")
    return kind


@pytest.fixture
def two_snapshots(tmp_path: Path, storage: str) -> tuple[Path, Path]:
    """A shard's folder and its newest snapshot: `old` items are in both, `new` ones in the newest alone."""
    shard = open_shard(tmp_path, generation(storage=storage))
    for n in range(20):
        put(shard, f"old-{n}", n + 1)
    shard.snapshot(OFFSETS)
    for n in range(5):
        put(shard, f"new-{n}", n + 50)
    newest = shard.snapshot(LATER).folder
    shard.close()
    return tmp_path, newest


def reopened(folder: Path, storage: str = "fp16", **kwargs: str) -> tuple[object, int]:
    """The offsets a restart would replay from, and how many items it has before."""
    from tests.unit.shard.oracle import Clock, identity, index_settings

    of = generation(storage=storage)
    shard = Shard(of, identity(of, **kwargs), folder, index_settings(), Clock())
    offsets = shard.open()
    count = shard.counts().items
    shard.close()
    return offsets, count


def flip(path: Path, at: float) -> None:
    """Flip one bit of a file at this share of its length."""
    data = bytearray(path.read_bytes())
    data[min(int(len(data) * at), len(data) - 1)] ^= 0x10
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("storage", ["fp16", "small"], indirect=True)
def test_whole(two_snapshots: tuple[Path, Path], storage: str) -> None:
    assert reopened(two_snapshots[0], storage) == (LATER, 25)


def test_another_storage_is_refused(two_snapshots: tuple[Path, Path]) -> None:
    with structlog.testing.capture_logs() as lines:
        assert reopened(two_snapshots[0], "small") == (None, 0)
    assert [line["reason"] for line in lines] == ["storage is fp16, not small"] * 2


FILES = ["graph.faiss", "positions.npy", "buffer.npz", "items/CURRENT", "items/*.sst", "items/MANIFEST-*", MANIFEST]
EVERY_FILE = [("fp16", name) for name in FILES] + [("small", "graph.faiss"), ("small", "graph.faiss.originals")]
DAMAGE: dict[str, Callable[[Path], None]] = {
    "flipped at the start": lambda path: flip(path, 0),
    "flipped in the middle": lambda path: flip(path, 0.5),
    "flipped at the end": lambda path: flip(path, 1),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "emptied": lambda path: path.write_bytes(b""),
    "grown": lambda path: path.write_bytes(path.read_bytes() + b"\0x"),
    "missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize(("storage", "name"), EVERY_FILE, indirect=["storage"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_is_skipped_for_the_one_before(
    two_snapshots: tuple[Path, Path], storage: str, name: str, damage: str
) -> None:
    folder, newest = two_snapshots
    DAMAGE[damage](next(newest.glob(name)))
    with structlog.testing.capture_logs() as lines:
        assert reopened(folder, storage) == (OFFSETS, 20)
    assert [line["event"] for line in lines] == ["snapshot_skipped"]
    assert lines[0]["folder"] == str(newest)


def test_all_damaged_means_the_log(two_snapshots: tuple[Path, Path]) -> None:
    folder, newest = two_snapshots
    for snapshot in newest.parent.iterdir():
        flip(snapshot / "graph.faiss", 0.3)
    assert reopened(folder) == (None, 0)


def test_a_manifest_with_other_offsets_than_the_items_is_skipped(two_snapshots: tuple[Path, Path]) -> None:
    """Even when every checksum was made to fit."""
    from index_shards.snapshot import _self_sum, read_manifest

    folder, newest = two_snapshots
    manifest = msgspec.structs.replace(read_manifest(newest), offsets={"items.state": {0: 1}})
    manifest = msgspec.structs.replace(manifest, blake2b=_self_sum(manifest))
    (newest / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    assert reopened(folder) == (OFFSETS, 20)


def test_another_log_is_refused(two_snapshots: tuple[Path, Path]) -> None:
    with structlog.testing.capture_logs() as lines:
        assert reopened(two_snapshots[0], log_id="log-2") == (None, 0)
    assert [line["event"] for line in lines] == ["snapshot_refused"] * 2
    assert lines[0]["reason"] == "log_id is log-1, not log-2"


def test_an_unfinished_one_is_swept_away(two_snapshots: tuple[Path, Path]) -> None:
    folder, newest = two_snapshots
    unfinished = newest.parent / "writing-00000009"
    newest.rename(unfinished)
    assert reopened(folder) == (OFFSETS, 20)
    shard = open_shard(folder)
    shard.snapshot(LATER)
    assert not unfinished.exists()
    shard.close()


def test_so_many_are_kept(tmp_path: Path) -> None:
    shard = open_shard(tmp_path, snapshots_kept=3)
    for n in range(5):
        put(shard, "a", n + 1)
        shard.snapshot(OFFSETS)
    assert sorted(p.name for p in (tmp_path / "snapshots").iterdir()) == ["00000003", "00000004", "00000005"]
    shard.close()


def test_snapshots_share_no_file(two_snapshots: tuple[Path, Path]) -> None:
    files = [p for p in two_snapshots[0].rglob("*") if p.is_file()]
    assert all(p.stat().st_nlink == 1 for p in files)


def test_restored_items_keep_their_times(tmp_path: Path) -> None:
    shard = open_shard(tmp_path)
    put(shard, "a", 3)
    before = shard.get("a")
    shard.snapshot(OFFSETS)
    put(shard, "b", 4)
    shard.close()
    again = open_shard(tmp_path)
    assert again.get("a") == before
    with pytest.raises(UnknownItem):
        again.get("b")
    again.close()
