"""Snapshots of a shard on disk: written aside, checksummed, renamed into place; the newest whole one is restored.

<folder>/00000007/manifest.json       what it is, its offsets, and the checksum of every file and of itself
                  graph.faiss         the graph
                  positions.npy       the ordinal of each of its positions
                  buffer.npz          ordinals and vectors of the fresh buffer
                  items/              the item store
<folder>/writing-00000008/            one that was not finished
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import structlog

from index_shards.item_store import Offsets
from schemas.cluster import Storage
from schemas.disk import cannot_write, check_room, disk_reason
from schemas.errors import DiskFailed

log = structlog.get_logger()

MANIFEST = "manifest.json"
_ASIDE = "writing-"
_CHUNK_BYTES = 1 << 20


# Snapshots of another layout are passed over.
LAYOUT = 2


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot belongs to; none of another log or another embedding space is ever used."""

    log_id: str
    generation: str
    fingerprint: str
    dimension: int
    storage: Storage
    partitions: int
    shards: int
    shard: int


class FileSum(msgspec.Struct, frozen=True):
    """Size and BLAKE2b of one file."""

    size_bytes: int
    blake2b: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What `manifest.json` says; `blake2b` is that of the manifest itself with this field empty."""

    layout: int
    identity: Identity
    offsets: Offsets
    newest_event_us: int
    created_us: int
    files: dict[str, FileSum]
    blake2b: str = ""


class Snapshot(msgspec.Struct, frozen=True):
    """One snapshot on disk whose every byte is as it was written."""

    folder: Path
    manifest: Manifest


class SnapshotFolder:
    """The snapshots of one shard on one node."""

    def __init__(self, folder: Path, identity: Identity, kept: int) -> None:
        self._folder, self._identity, self._kept = folder, identity, kept

    @contextmanager
    def aside(self, size_bytes: int) -> Iterator[Path]:
        """An empty folder to write the next snapshot's files into, some `size_bytes` at least; to be finished inside.

        Raises:
            DiskFailed: there is not so much room, or the disk took no more of it; nothing of it is left.
        """
        check_room("a snapshot", self._folder, size_bytes)
        try:
            yield self._begin()
        except Exception as error:
            self._drop_unfinished(ignore_errors=True)
            if isinstance(error, DiskFailed) or (reason := disk_reason(error)) is None:
                raise
            raise cannot_write("a snapshot", self._folder, reason) from error

    def _begin(self) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._drop_unfinished()
        number = max((int(p.name) for p in self._numbered()), default=0) + 1
        aside = self._folder / f"{_ASIDE}{number:08d}"
        aside.mkdir()
        return aside

    def _drop_unfinished(self, *, ignore_errors: bool = False) -> None:
        for unfinished in self._folder.glob(f"{_ASIDE}*"):
            shutil.rmtree(unfinished, ignore_errors)

    def finish(self, aside: Path, *, offsets: Offsets, newest_event_us: int, created_us: int) -> Snapshot:
        """Checksum what lies in `aside`, make it durable, rename it into place and drop the oldest."""
        files = {str(path.relative_to(aside)): _sum_of(path) for path in _files_in(aside)}
        manifest = Manifest(
            layout=LAYOUT,
            identity=self._identity,
            offsets=offsets,
            newest_event_us=newest_event_us,
            created_us=created_us,
            files=files,
        )
        manifest = msgspec.structs.replace(manifest, blake2b=_self_sum(manifest))
        (aside / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        for path in [*_files_in(aside), *(p for p in aside.rglob("*") if p.is_dir()), aside]:
            _sync(path)
        final = self._folder / aside.name.removeprefix(_ASIDE)
        aside.rename(final)
        _sync(self._folder)
        for old in self._numbered()[: -self._kept]:
            shutil.rmtree(old)
        return Snapshot(final, manifest)

    def whole(self, oldest_us: int) -> Iterator[Snapshot]:
        """The snapshots that are whole and ours, newest first; the others are named in the log and passed over.

        So are those from before `oldest_us`: deletes that came after them may have left the log by now, and what a
        replay does not show as deleted would rise from the dead.
        """
        for folder in reversed(self._numbered()):
            try:
                manifest = read_manifest(folder)
                _check_files(folder, manifest)
            except (OSError, ValueError) as error:
                log.warning("snapshot_skipped", folder=str(folder), reason=str(error))
                continue
            if manifest.identity != self._identity:
                log.warning("snapshot_refused", folder=str(folder), reason=self._foreign(manifest.identity))
                continue
            if manifest.created_us < oldest_us:
                log.warning("snapshot_too_old", folder=str(folder), reason=_too_old(manifest.created_us, oldest_us))
                continue
            yield Snapshot(folder, manifest)

    def _numbered(self) -> list[Path]:
        if not self._folder.is_dir():
            return []
        return sorted(p for p in self._folder.iterdir() if p.name.isdecimal() and p.is_dir())

    def _foreign(self, identity: Identity) -> str:
        ours, theirs = msgspec.structs.asdict(self._identity), msgspec.structs.asdict(identity)
        return "; ".join(f"{name} is {theirs[name]}, not {ours[name]}" for name in ours if ours[name] != theirs[name])


def _too_old(created_us: int, oldest_us: int) -> str:
    return f"it is {(oldest_us - created_us) / 1e6:.0f} s older than deletes are kept (index.delete_retention_s)"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a snapshot.

    Raises:
        OSError: it cannot be read.
        ValueError: it is torn, altered or of another layout.
    """
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except msgspec.DecodeError as error:
        raise ValueError(f"{MANIFEST}: {error}") from error
    if manifest.layout != LAYOUT:
        raise ValueError(f"{MANIFEST} is of layout {manifest.layout}, not {LAYOUT}")
    if _self_sum(manifest) != manifest.blake2b:
        raise ValueError(f"{MANIFEST} was altered")
    return manifest


def _check_files(folder: Path, manifest: Manifest) -> None:
    for name, wanted in manifest.files.items():
        if not (folder / name).is_file():
            raise ValueError(f"{name} is missing")
        found = _sum_of(folder / name)
        if found.size_bytes != wanted.size_bytes:
            raise ValueError(f"{name} has {found.size_bytes} bytes instead of {wanted.size_bytes}")
        if found.blake2b != wanted.blake2b:
            raise ValueError(f"{name} was altered")


def _files_in(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


def _sum_of(path: Path) -> FileSum:
    digest = hashlib.blake2b(digest_size=32)
    with path.open("rb") as source:
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
    return FileSum(path.stat().st_size, digest.hexdigest())


def _self_sum(manifest: Manifest) -> str:
    bare = msgspec.json.encode(msgspec.structs.replace(manifest, blake2b=""))
    return hashlib.blake2b(bare, digest_size=32).hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
