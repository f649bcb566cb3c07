"""How far a load has come, kept on disk, so that the same command goes on after a kill."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec


class LoadProgress(msgspec.Struct, kw_only=True):
    """`row` is the last row whose change the broker has acknowledged; `bad` are the first bad rows, `bad_rows` all."""

    source: str
    started_us: int
    row: int = 0
    sent: int = 0
    bad_rows: int = 0
    bad: list[str] = []
    done: bool = False


class ProgressFile:
    """One load's progress, by everything that makes it this load: source, contents, options and log."""

    def __init__(self, data_path: Path, parts: Iterable[str]) -> None:
        digest = hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:32]
        self.path = data_path / "loads" / f"{digest}.json"

    def read(self) -> LoadProgress | None:
        """What an unfinished load has left; None without one, and when the file is no progress."""
        try:
            progress = msgspec.json.decode(self.path.read_bytes(), type=LoadProgress)
        except (OSError, msgspec.DecodeError):
            return None
        return None if progress.done else progress

    def write(self, progress: LoadProgress) -> None:
        """Replace the file in one step."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_suffix(".tmp")
        aside.write_bytes(msgspec.json.encode(progress))
        aside.replace(self.path)
