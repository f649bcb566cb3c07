"""What every source of catalogue changes has in common: numbered rows, in one fixed order."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from schemas.changes import CatalogChange
from schemas.errors import InputError


class BadRow(NamedTuple):
    """A row that stands for no change: its number, counted from 1, what is wrong with it, and its line in the file."""

    row: int
    message: str
    line: int | None = None

    @property
    def where(self) -> str:
        """For people."""
        return f"row {self.row}" if self.line is None else f"row {self.row} (line {self.line})"


Row = tuple[int, CatalogChange | BadRow]
"""A row's number, counted from 1, and what it says."""


class CatalogSource(ABC):
    """Changes read one after the other; iterating again reads them again, in the same order."""

    @abstractmethod
    def count(self) -> int | None:
        """How many rows there are, bad ones too; None where counting would take as long as reading."""

    @abstractmethod
    def rows(self, after: int = 0) -> Iterator[Row]:
        """The rows behind the row of that number, so that a reader may go on where another one stopped.

        Raises:
            InputError: the source cannot be read any further.
        """

    def left_out(self) -> str:
        """What lies in the source and is no row of it, in words; empty where all is."""
        return ""

    @abstractmethod
    def fingerprint(self) -> str:
        """What the source holds now, in short: rows keep their numbers as long as it stays the same."""

    def __iter__(self) -> Iterator[CatalogChange | BadRow]:
        """What the rows say, without their numbers."""
        return (said for _, said in self.rows())


def file_fingerprint(path: Path) -> str:
    """A file's size and time of change.

    Raises:
        InputError: it cannot be read.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", code="unreadable") from error
    return f"{found.st_size}-{found.st_mtime_ns}"
