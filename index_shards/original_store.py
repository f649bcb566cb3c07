"""Original vectors on disk, as fp16: one file of rows, appended to while it is read, one row for each position.

The file has no name: it is unlinked as soon as it is open, so a stop or a crash leaves nothing behind. What lasts is
the copy of it in a snapshot: the rows, then a trailer that tells whether all of them are there.

Rows are read by `pread` and not through a memory map: a map counts every page it ever touched as memory of the process,
reads 128 KiB around each row that is not cached (50 rows: 150 ms against 0.7 ms), and a disk that fails kills the
process instead of raising an error.
"""

import os
import shutil
import struct
import tempfile
import weakref
from pathlib import Path

import numpy as np

from index_shards.candidates import Float32Array, Int64Array
from index_shards.halves import widened
from schemas.errors import DiskFailed

# magic, rows, dimension
_TRAILER = struct.Struct("<8sQQ")
_MAGIC = b"lkorig16"
_FP16_BYTES = 2
# Rows at least this dense in their file are read as one piece.
_DENSE = 0.25
_PIECE_BYTES = 1 << 26


class OriginalStore:
    """Rows of `dimension` fp16 numbers in a nameless file of `folder`.

    One thread at a time stages and keeps; any number may read rows that were kept before.
    """

    def __init__(self, folder: Path, dimension: int) -> None:
        """An empty one.

        Raises:
            DiskFailed: the disk is full or fails.
        """
        self._dimension = dimension
        self._row_bytes = _FP16_BYTES * dimension
        self._folder = folder
        self._count = self._staged = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file, name = tempfile.mkstemp(prefix="originals-", dir=folder)
            Path(name).unlink()
        except OSError as error:
            raise DiskFailed(f"no file for vectors can be made in {folder}: {error.strerror}") from error
        weakref.finalize(self, os.close, self._file)

    @classmethod
    def restore(cls, folder: Path, dimension: int, copy: Path) -> "OriginalStore":
        """A store of its own in `folder` with every row of a file that `copy` wrote.

        Raises:
            ValueError: the file is torn, has grown, or holds rows of another dimension.
            OSError: it cannot be read, or the disk is full.
        """
        store = cls(folder, dimension)
        with copy.open("rb") as source:
            rows_bytes = copy.stat().st_size - _TRAILER.size
            if rows_bytes < 0:
                raise ValueError(f"{copy} is too short for its trailer")
            magic, count, columns = _TRAILER.unpack(os.pread(source.fileno(), _TRAILER.size, rows_bytes))
            if magic != _MAGIC or columns != dimension or count * store._row_bytes != rows_bytes:
                raise ValueError(f"{copy} does not end as {dimension}-dimensional originals do: it is torn or foreign")
            _copy_bytes(source.fileno(), store._file, rows_bytes)
        store._count = count
        return store

    def __len__(self) -> int:
        return self._count

    @property
    def disk_bytes(self) -> int:
        """Bytes of all rows on disk."""
        return self._count * self._row_bytes

    def stage(self, vectors: Float32Array) -> None:
        """Write vectors of shape (n, dimension) after the last row; they are no rows before `keep`.

        Raises:
            DiskFailed: the disk is full or fails; what was written of them is written over by the next.
        """
        rest = memoryview(np.ascontiguousarray(vectors, np.float16).tobytes())
        at = self.disk_bytes
        try:
            while rest:
                written = os.pwrite(self._file, rest, at)
                rest, at = rest[written:], at + written
        except OSError as error:
            what = f"{len(vectors)} vectors cannot be written to {self._folder}, beside the {self._count} there"
            raise DiskFailed(f"{what}: {error.strerror}") from error
        self._staged = len(vectors)

    def keep(self, count: int) -> None:
        """The `count` vectors that were staged last are rows from now on."""
        assert count == self._staged, f"{self._staged} vectors were staged, not {count}"
        self._staged = 0
        self._count += count

    def take(self, positions: Int64Array) -> Float32Array:
        """The float32 vectors at these positions, shape (n, dimension).

        Raises:
            IndexError: a position past the last row.
            DiskFailed: the disk fails.
        """
        if not len(positions):
            return np.empty((0, self._dimension), np.float32)
        first, last = int(positions.min()), int(positions.max())
        if first < 0 or last >= self._count:
            raise IndexError(f"positions {first} to {last} of {self._count} originals")
        span = last + 1 - first
        if len(positions) >= _DENSE * span and span * self._row_bytes <= _PIECE_BYTES:
            rows = self._decoded(self._read(first * self._row_bytes, span * self._row_bytes))
            return rows[positions - first]
        offsets = (positions * self._row_bytes).tolist()
        # What is not cached is fetched side by side before the first read waits for it.
        for offset in offsets:
            os.posix_fadvise(self._file, offset, self._row_bytes, os.POSIX_FADV_WILLNEED)
        return self._decoded(b"".join([self._read(offset, self._row_bytes) for offset in offsets]))

    def copy(self, path: Path) -> None:
        """Write all rows and the trailer to a new file; nothing is kept meanwhile.

        Where the file system can, the copy shares its blocks until one of both changes.
        """
        with path.open("xb") as target:
            _copy_bytes(self._file, target.fileno(), self.disk_bytes)
            os.pwrite(target.fileno(), _TRAILER.pack(_MAGIC, self._count, self._dimension), self.disk_bytes)

    def _read(self, offset: int, size_bytes: int) -> bytes:
        try:
            read = os.pread(self._file, size_bytes, offset)
        except OSError as error:
            raise DiskFailed(f"vectors in {self._folder} cannot be read: {error.strerror}") from error
        if len(read) != size_bytes:
            raise DiskFailed(f"vectors in {self._folder} end {size_bytes - len(read)} bytes early at {offset}")
        return read

    def _decoded(self, read: bytes) -> Float32Array:
        return widened(np.frombuffer(read, np.uint16)).reshape(-1, self._dimension)


def _copy_bytes(source: int, target: int, size_bytes: int) -> None:
    """Copy the first bytes of one open file to the start of another, within the kernel if it can.

    Raises:
        OSError: the source ends early, or the disk is full or fails.
    """
    at = 0
    try:
        while at < size_bytes and (moved := os.copy_file_range(source, target, size_bytes - at, at, at)):
            at += moved
    except (AttributeError, OSError):
        with os.fdopen(os.dup(source), "rb") as reader, os.fdopen(os.dup(target), "wb") as writer:
            reader.seek(0)
            writer.seek(0)
            shutil.copyfileobj(reader, writer)
            writer.truncate(size_bytes)
            at = min(size_bytes, os.fstat(source).st_size)
    if at != size_bytes:
        raise OSError(f"a copy of {size_bytes} bytes of originals ended after {at}")
