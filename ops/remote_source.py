"""Sources that are no local file: fetched whole through fsspec (http, https, s3, gs, ...), then read like any other."""

import hashlib
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from schemas.errors import InputError

CHUNK_BYTES = 4 * 1024 * 1024


class FetchedSource(NamedTuple):
    """A local copy, and the URL that relative paths of pictures in it lie under."""

    path: Path
    base: str


def is_remote(source: str) -> bool:
    """Whether a source is a URL; a single letter before the colon would be a drive."""
    parts = urlsplit(source)
    return "://" in source and len(parts.scheme) > 1 and parts.scheme != "file"


def fetch_source(url: str, data_path: Path) -> FetchedSource:
    """Copy a table into the data folder; an unchanged one keeps its file, so that a load can go on.

    Raises:
        InputError: nothing can be read there, or its kind of store needs a package that is missing.
    """
    import fsspec

    parts = urlsplit(url)
    name = Path(parts.path).name
    if not name:
        raise InputError(f"{url} names no file: folders of pictures are loaded from local disks only", code="no_source")
    folder = data_path / "loads" / hashlib.sha256(url.encode()).hexdigest()[:32]
    folder.mkdir(parents=True, exist_ok=True)
    aside, copy = folder / f".{name}.part", folder / name
    try:
        with fsspec.open(url, "rb") as source, aside.open("wb") as target:
            while chunk := source.read(CHUNK_BYTES):
                target.write(chunk)
    except ImportError as error:
        raise InputError(f"{url} cannot be read: {error}; install that package", code="unreadable") from error
    except Exception as error:  # every store raises errors of its own kind
        raise InputError(f"{url} cannot be read: {type(error).__name__}: {error}", code="unreadable") from error
    if not copy.exists() or _digest(copy) != _digest(aside):
        aside.replace(copy)
    aside.unlink(missing_ok=True)
    base = urlunsplit((parts.scheme, parts.netloc, parts.path.rpartition("/")[0], "", ""))
    return FetchedSource(copy, base)


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
