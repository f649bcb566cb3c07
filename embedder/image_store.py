"""The image store: a content-addressed folder for pictures that came as bytes and not by reference."""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from embedder.fresh_pictures import FreshPictures
from schemas.disk import cannot_write, disk_reason
from schemas.errors import ImageRejected

SCHEME = "store"
DIGEST_BYTES = 32
# Files that one caller has open at a time: a process may have a thousand in all, RocksDB's among them.
OPEN_AT_ONCE = 16
_REF = re.compile(rf"{SCHEME}:([0-9a-f]{{{2 * DIGEST_BYTES}}})")


class ImageStore:
    """Pictures under the blake2b digest of their bytes, so that the same picture is kept once.

    A file is written aside, synced and renamed: whatever has its final name is whole. Any number of processes may
    share the folder, as two writers of one name write the same bytes. They lie in sixteen folders, no more: each that
    pictures were put into is one more wait for the disk.
    """

    def __init__(self, folder: Path, fresh: FreshPictures | None = None) -> None:
        """With `fresh`, pictures that were just put are read from there."""
        self._folder = folder
        self._fresh = fresh

    def put(self, data: bytes) -> str:
        """Keeps these bytes and returns their reference, `store:<hex>`; keeping them again changes nothing.

        Raises:
            DiskFailed: the disk is full or read-only; nothing is left of the picture.
        """
        return self.put_all([data])[0]

    def put_all(self, pictures: Sequence[bytes]) -> list[str]:
        """The same for many pictures; the disk is waited for once for many of them.

        Raises:
            DiskFailed: the disk is full or read-only; of each picture nothing is left, or all of it.
        """
        digests = [_digest(data) for data in pictures]
        files = {f"{self._folder}/{d[:1]}/{d}": data for d, data in zip(digests, pictures, strict=True)}
        try:
            missing = [(path, data) for path, data in files.items() if not _holds(path, len(data))]
            for start in range(0, len(missing), OPEN_AT_ONCE):
                _write_whole(dict(missing[start : start + OPEN_AT_ONCE]))
        except OSError as error:
            reason = disk_reason(error)
            if reason is None:
                raise
            raise cannot_write("pictures", self._folder, reason) from error
        if self._fresh is not None:
            self._fresh.keep(dict(zip(digests, pictures, strict=True)))
        return [f"{SCHEME}:{digest}" for digest in digests]

    def read(self, ref: str) -> bytes:
        """The bytes of a reference, checked against it.

        Raises:
            ImageRejected: `image_refused` for what is no reference, `image_unreachable` for a picture that is not
                kept (or cannot be read now, and may be later), `image_corrupt` for one that is not what was put.
        """
        name = _name(ref)
        fresh = None if self._fresh is None else self._fresh.take(name)
        if fresh is not None:
            return fresh
        try:
            data = self._read(name)
        except FileNotFoundError as error:
            raise ImageRejected(f"the image store does not hold {ref}", code="image_unreachable") from error
        except OSError as error:
            raise ImageRejected(
                f"{ref} cannot be read now: {error}", code="image_unreachable", temporary=True, errno=error.errno
            ) from error
        if name != _digest(data):
            raise ImageRejected(f"the image store's file of {ref} is damaged", code="image_corrupt")
        return data

    def _read(self, name: str) -> bytes:
        try:
            return _bytes_of(f"{self._folder}/{name[:1]}/{name}")
        except FileNotFoundError:
            return _bytes_of(f"{self._folder}/{name[:2]}/{name[2:4]}/{name}")  # as it was once


def _name(ref: str) -> str:
    match = _REF.fullmatch(ref)
    if match is None:
        raise ImageRejected(
            f"{ref[:100]!r} is no reference into the image store: {SCHEME}:<{2 * DIGEST_BYTES} hex digits>",
            code="image_refused",
        )
    return match.group(1)


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).hexdigest()


def _holds(path: str, size: int) -> bool:
    try:
        return os.stat(path).st_size == size  # noqa: PTH116  called for every picture: a Path costs more than the call
    except FileNotFoundError:
        return False


def _bytes_of(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123  as above
        return file.read()


def _write_whole(files: Mapping[str, bytes]) -> None:
    """Write files aside, all of them on their way to the disk before the first is waited for, and rename them."""
    aside: dict[str, str] = {}
    handles: list[int] = []
    try:
        for path, data in files.items():
            folder, _, name = path.rpartition("/")
            written = f"{folder}/.put-{os.urandom(8).hex()}-{name}"
            handles.append(_create(written))
            aside[written] = path
            _write(handles[-1], data)
        for handle in handles:
            os.fsync(handle)
        for written, path in aside.items():
            os.replace(written, path)  # noqa: PTH105  as above
    except BaseException:
        for written in aside:
            Path(written).unlink(missing_ok=True)
        raise
    finally:
        for handle in handles:
            os.close(handle)
    _sync_folders({path.rpartition("/")[0] for path in files})


def _create(path: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        folder = Path(path).parent
        folder.mkdir(parents=True, exist_ok=True)
        _sync_folders([folder.parent])
        return os.open(path, flags, 0o600)


def _write(handle: int, data: bytes) -> None:
    """All of the bytes; the disk may begin with them at once (posix_fadvise(2))."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)


def _sync_folders(folders: Iterable[str | Path]) -> None:
    """A rename outlives a power cut only once its folder is synced too."""
    for folder in folders:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
