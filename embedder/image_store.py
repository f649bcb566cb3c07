"""The image store: a content-addressed folder for pictures that came as bytes and not by reference."""

import hashlib
import os
import re
import tempfile
from pathlib import Path

from schemas.errors import ImageRejected

SCHEME = "store"
DIGEST_BYTES = 32
_REF = re.compile(rf"{SCHEME}:([0-9a-f]{{{2 * DIGEST_BYTES}}})")


class ImageStore:
    """Pictures under the blake2b digest of their bytes, so that the same picture is kept once.

    A file is written aside, synced and renamed: whatever has its final name is whole. Any number of processes may
    share the folder, as two writers of one name write the same bytes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes) -> str:
        """Keeps these bytes and returns their reference, `store:<hex>`; keeping them again changes nothing."""
        ref = f"{SCHEME}:{_digest(data)}"
        path = self._path(ref)
        if not _holds(path, len(data)):
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(path, data)
        return ref

    def read(self, ref: str) -> bytes:
        """The bytes of a reference, checked against it.

        Raises:
            ImageRejected: `image_refused` for what is no reference, `image_unreachable` for a picture that is not
                kept, `image_corrupt` for one that is no longer what was put.
        """
        path = self._path(ref)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ImageRejected(
                f"the image store does not hold {ref}", code="image_unreachable", errno=error.errno
            ) from error
        if ref != f"{SCHEME}:{_digest(data)}":
            raise ImageRejected(f"the image store's file of {ref} is damaged", code="image_corrupt")
        return data

    def _path(self, ref: str) -> Path:
        match = _REF.fullmatch(ref)
        if match is None:
            raise ImageRejected(
                f"{ref[:100]!r} is no reference into the image store: {SCHEME}:<{2 * DIGEST_BYTES} hex digits>",
                code="image_refused",
            )
        name = match.group(1)
        return self._folder / name[:2] / name[2:4] / name


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).hexdigest()


def _holds(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def _write_whole(path: Path, data: bytes) -> None:
    handle, aside = tempfile.mkstemp(prefix=".put-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """A rename outlives a power cut only once its folder is synced too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
