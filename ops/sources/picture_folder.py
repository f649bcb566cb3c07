"""Folders of pictures: every picture in them is an item."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ops.sources.source import BadRow, CatalogSource, Row
from ops.sources.table_rows import absolute_path, checked_change, file_url
from schemas.changes import CatalogChange
from schemas.errors import ChangeRejected, InputError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"})
SHOWN_SUFFIXES = 5
TABLE = "items.csv"
"""A table that may lie beside the pictures and speaks for them."""


class PictureFolder(CatalogSource):
    """The pictures of a folder and the folders in it, by name; hidden ones and links to folders are passed over.

    An item's id is its picture's path in the folder without the suffix (with it, where two pictures share the rest),
    its `category` the name of the sub-folder it lies in.
    """

    def __init__(self, path: Path) -> None:
        """InputError when there is no picture at all."""
        self._path = absolute_path(path)
        if not any(isinstance(found, Path) for found, _ in self._found()):
            suffixes = ", ".join(sorted(SUFFIXES))
            raise InputError(f"there is no picture in {path} (looked for {suffixes})", code="empty_source")

    def count(self) -> int | None:
        """See `CatalogSource.count`."""
        return sum(1 for _ in self._found())

    def left_out(self) -> str:
        """See `CatalogSource.left_out`: files that are no pictures, by suffix."""
        suffixes: Counter[str] = Counter()
        for folder, entries in self._scanned():
            if not isinstance(entries, str):
                names = (Path(e.name) for e in entries if not e.is_dir())
                suffixes.update(
                    name.suffix.lower() or "no ending"
                    for name in names
                    if name.suffix.lower() not in SUFFIXES and (folder / name) != self._path / TABLE
                )
        if not suffixes:
            return ""
        counts = ", ".join(f"{suffix} {count}" for suffix, count in suffixes.most_common(SHOWN_SUFFIXES))
        more = ", ..." if len(suffixes) > SHOWN_SUFFIXES else ""
        said = f"{suffixes.total()} file{'' if suffixes.total() == 1 else 's'} left out ({counts}{more})"
        heic = "; HEIC is not read: export as JPEG" if suffixes.keys() & {".heic", ".heif"} else ""
        return said + heic

    def fingerprint(self) -> str:
        """See `CatalogSource.fingerprint`: the names of all pictures."""
        digest = hashlib.sha256()
        for found, name in self._found():
            digest.update(os.fsencode(found) + b"\0" + os.fsencode(name) + b"\0")
        return digest.hexdigest()

    def rows(self, after: int = 0) -> Iterator[Row]:
        """See `CatalogSource.rows`."""
        for number, (found, name) in enumerate(self._found(), start=1):
            if number > after:
                yield number, self._said(number, found, name)

    def _said(self, number: int, found: Path | str, name: str) -> CatalogChange | BadRow:
        if isinstance(found, str):
            return BadRow(number, found)
        inside = found.parent.relative_to(self._path)
        attributes = {"category": inside.name} if inside.name else {}
        item_id = (inside / name).as_posix()
        try:
            return checked_change(
                {"op": "upsert", "item_id": item_id, "image_url": file_url(found), "attributes": attributes}
            )
        except ChangeRejected as refusal:
            return BadRow(number, f"{os.fsencode(found).decode(errors='replace')}: {refusal.message}")

    def _found(self) -> Iterator[tuple[Path | str, str]]:
        """Pictures with their last part of the id, or what was wrong with a folder; one folder at a time in memory."""
        for folder, entries in self._scanned():
            if isinstance(entries, str):
                yield entries, ""
                continue
            files = [e.name for e in entries if Path(e.name).suffix.lower() in SUFFIXES and not _is_folder(e)]
            yield from ((folder / file, name) for file, name in zip(files, _names(files), strict=True))

    def _scanned(self) -> Iterator[tuple[Path, list[os.DirEntry[str]] | str]]:
        """Each folder with what is in it, by name, hidden entries left away; or what was wrong with it."""
        waiting = [self._path]
        while waiting:
            folder = waiting.pop()
            try:
                with os.scandir(folder) as scan:
                    entries = sorted((e for e in scan if not e.name.startswith(".")), key=lambda e: os.fsencode(e.name))
            except OSError as error:
                shown = os.fsencode(folder).decode(errors="replace")
                yield folder, f"{shown} cannot be read: {error.strerror}"
                continue
            yield folder, entries
            waiting.extend(folder / e.name for e in reversed(entries) if _is_folder(e))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """A broken link is none: as a picture it is refused where everyone can see it."""
    return entry.is_dir(follow_symlinks=False)


def _names(files: list[str]) -> Iterator[str]:
    """File names without their suffixes where nothing else is called so."""
    stems = Counter(Path(file).stem for file in files)
    taken = set(files)
    for file in files:
        stem = Path(file).stem
        yield stem if stems[stem] == 1 and stem not in taken else file
