"""Where a change was first written, as it travels with a record that was forwarded or is replayed."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from schemas.item_state import Origin

ORIGIN_HEADER = "lookalive-origin"
_FIELDS = 3

Headers = Mapping[str, Any] | Iterable[tuple[str, Any]] | None


class ChangeRecord(NamedTuple):
    """A raw record of `catalog.changes`; `time_us` is its timestamp in microseconds since the epoch."""

    key: bytes | None
    value: bytes | None
    partition: int
    offset: int
    time_us: int
    headers: Headers = None


def origin_header(origin: Origin) -> tuple[str, bytes]:
    """The header of a forwarded record: `partition:offset:microseconds`."""
    return ORIGIN_HEADER, ":".join(str(field) for field in origin).encode()


def forwarded_origin(headers: Headers) -> Origin | None:
    """The origin a forwarded record brings along; None without one, or when the header is not of our making."""
    if not headers:
        return None
    value = dict(headers).get(ORIGIN_HEADER)
    if not isinstance(value, bytes):
        return None
    try:
        fields = [int(part) for part in value.decode().split(":")]
    except (UnicodeDecodeError, ValueError):
        return None
    if len(fields) != _FIELDS or min(fields) < 0:
        return None
    return Origin(*fields)
