"""What a shard cannot write just now, and why: said for as long as the last attempt failed."""

from collections.abc import Iterator
from contextlib import contextmanager

from schemas.errors import DiskFailed


class DiskTroubles:
    """Of one shard, by what was being done; read by any thread."""

    def __init__(self) -> None:
        self._errors: dict[str, str] = {}

    @property
    def error(self) -> str | None:
        """What failed the last time it was tried; None where nothing did."""
        return "; ".join(sorted(set(self._errors.copy().values()))) or None

    @contextmanager
    def working(self, part: str) -> Iterator[None]:
        """Something that writes is being done: a DiskFailed that passes is remembered, and a good end forgets it."""
        try:
            yield
        except DiskFailed as error:
            self._errors[part] = error.message
            raise
        self._errors.pop(part, None)
