"""The image store: a content-addressed folder for pictures that came as bytes and not by reference."""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from embedder.fresh_pictures import FreshPictures
from embedder.picture_places import PicturePlaces, Place
from schemas.disk import cannot_write, disk_reason
from schemas.errors import ImageRejected

SCHEME = "store"
DIGEST_BYTES, PACK_NAME_BYTES = 32, 16
_REF = re.compile(
    rf"{SCHEME}:([0-9a-f]{{{2 * DIGEST_BYTES}}})"
    rf"(?:@([0-9a-f]{{{2 * PACK_NAME_BYTES}}})\+([0-9]{{1,12}})\+([0-9]{{1,12}}))?"
)


class _Ref(NamedTuple):
    """A picture's digest, and where it lies; in a file of its own without a place."""

    digest: str
    place: Place | None

    def __str__(self) -> str:
        where = "" if self.place is None else "@{}+{}+{}".format(*self.place)
        return f"{SCHEME}:{self.digest}{where}"


class ImageStore:
    """Pictures under the blake2b digest of their bytes, so that the same picture is kept once.

    A picture that is put alone gets a file of its own, named by its digest. Those put together get one file, a pack:
    their bytes one after the other, named by their digests; a picture's reference then says where in it, so that
    whoever reads it needs no index. A file for each would cost more than everything else that is done to a small
    picture.

    A file is written aside, synced and renamed: whatever has its final name is whole, and never changes. Any number of
    processes may share the folder, as two writers of one name write the same bytes. Files lie in sixteen folders.
    """

    def __init__(self, folder: Path, fresh: FreshPictures | None = None, places: PicturePlaces | None = None) -> None:
        """With `fresh`, pictures that were just put are read from there; without `places`, what comes again with
        others is kept again.
        """
        self._folder = folder
        self._fresh = fresh
        self._places = places

    def put(self, data: bytes) -> str:
        """Keeps these bytes and returns their reference, `store:<hex>`; keeping them again changes nothing.

        Raises:
            DiskFailed: the disk is full or read-only; nothing is left of the picture.
        """
        return self.put_all([data])[0]

    def put_all(self, pictures: Sequence[bytes]) -> list[str]:
        """The same for many pictures, which are kept together: `store:<hex>@<pack>+<start>+<bytes>`.

        Raises:
            DiskFailed: the disk is full or read-only; nothing is left of the pictures.
        """
        digests = [_digest(data) for data in pictures]
        wanted = dict(zip(digests, pictures, strict=True))
        try:
            places = self._keep(wanted)
        except OSError as error:
            reason = disk_reason(error)
            if reason is None:
                raise
            raise cannot_write("pictures", self._folder, reason) from error
        if self._fresh is not None:
            self._fresh.keep(wanted)
        return [str(_Ref(digest, places.get(digest))) for digest in digests]

    def read(self, ref: str) -> bytes:
        """The bytes of a reference, checked against it.

        Raises:
            ImageRejected: `image_refused` for what is no reference, `image_unreachable` for a picture that is not
                kept (or cannot be read now, and may be later), `image_corrupt` for one that is not what was put.
        """
        digest, place = _parsed(ref)
        fresh = None if self._fresh is None else self._fresh.take(digest)
        if fresh is not None:
            return fresh
        try:
            data = self._read(digest) if place is None else _bytes_at(self._pack(place.pack), place)
        except FileNotFoundError as error:
            raise ImageRejected(f"the image store does not hold {ref}", code="image_unreachable") from error
        except OSError as error:
            raise ImageRejected(
                f"{ref} cannot be read now: {error}", code="image_unreachable", temporary=True, errno=error.errno
            ) from error
        if digest != _digest(data):
            raise ImageRejected(f"the image store's file of {ref} is damaged", code="image_corrupt")
        return data

    def _keep(self, wanted: Mapping[str, bytes]) -> dict[str, Place]:
        """Write what is not there yet; the places of pictures that have no file of their own."""
        places = self._held(wanted)
        missing = {
            digest: data
            for digest, data in wanted.items()
            if digest not in places and not _has_size(self._own(digest), len(data))
        }
        if len(missing) == 1:
            ((digest, data),) = missing.items()
            _write_whole(self._own(digest), data)
        elif missing:
            places |= self._write_pack(missing)
        return places

    def _held(self, wanted: Mapping[str, bytes]) -> dict[str, Place]:
        """Where pictures lie in packs, of those that are known to."""
        if self._places is None:
            return {}
        found = self._places.find(wanted)
        sizes = {pack: _size_of(self._pack(pack)) for pack in {place.pack for place in found.values()}}
        return {digest: place for digest, place in found.items() if place.end <= sizes[place.pack]}

    def _write_pack(self, pictures: Mapping[str, bytes]) -> dict[str, Place]:
        name = hashlib.blake2b("".join(pictures).encode(), digest_size=PACK_NAME_BYTES).hexdigest()
        places: dict[str, Place] = {}
        start = 0
        for digest, data in pictures.items():
            places[digest] = Place(name, start, len(data))
            start += len(data)
        _write_whole(self._pack(name), b"".join(pictures.values()))
        if self._places is not None:
            self._places.keep(places)
        return places

    def _own(self, digest: str) -> str:
        return f"{self._folder}/{digest[:1]}/{digest}"

    def _pack(self, name: str) -> str:
        return f"{self._folder}/{name[:1]}/{name}.pack"

    def _read(self, digest: str) -> bytes:
        try:
            return _bytes_of(self._own(digest))
        except FileNotFoundError:
            return _bytes_of(f"{self._folder}/{digest[:2]}/{digest[2:4]}/{digest}")  # as it was once


def _parsed(ref: str) -> _Ref:
    match = _REF.fullmatch(ref)
    if match is None:
        raise ImageRejected(
            f"{ref[:100]!r} is no reference into the image store: {SCHEME}:<{2 * DIGEST_BYTES} hex digits>, where it "
            "lies with others followed by @<pack>+<start>+<bytes>",
            code="image_refused",
        )
    digest, pack, start, size_bytes = match.groups()
    return _Ref(digest, None if pack is None else Place(pack, int(start), int(size_bytes)))


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).hexdigest()


def _size_of(path: str) -> int:
    """The bytes of a file, -1 where there is none."""
    try:
        return os.stat(path).st_size  # noqa: PTH116  called for every picture: a Path costs more than the call
    except FileNotFoundError:
        return -1


def _has_size(path: str, size: int) -> bool:
    return _size_of(path) == size


def _bytes_of(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123  as above
        return file.read()


def _bytes_at(path: str, place: Place) -> bytes:
    """A part of a file; less of it, or nothing, where the file ends before."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123  as above
        left = os.fstat(file.fileno()).st_size - place.start
        # A reference may say anything: no more is made room for than there is.
        return os.pread(file.fileno(), max(min(place.size_bytes, left), 0), place.start)


def _write_whole(path: str, data: bytes) -> None:
    """Write a file aside, wait for the disk, and rename it."""
    folder, _, name = path.rpartition("/")
    aside = f"{folder}/.put-{os.urandom(8).hex()}-{name}"
    handle = _create(aside)
    try:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(aside, path)  # noqa: PTH105  as above
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
    _sync_folder(folder)


def _create(path: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        folder = Path(path).parent
        folder.mkdir(parents=True, exist_ok=True)
        _sync_folder(folder.parent)
        return os.open(path, flags, 0o600)


def _sync_folder(folder: str | Path) -> None:
    """A rename outlives a power cut only once its folder is synced too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
