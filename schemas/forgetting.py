"""The word that an item is forgotten: a null in `items.state` or `vectors.<generation>`, with a header that says as of
which stamp.

Without it, a null that comes late (from an owner that was paused and does not know yet that it is none any more) would
take away what came after the delete it speaks of.
"""

from collections.abc import Iterable
from typing import Any

from schemas.item_state import Stamp

FORGOTTEN_HEADER = "lookalive-forgotten"


def forgotten_header(as_of: Stamp) -> tuple[str, bytes]:
    """The header of a null that forgets what an item had at this stamp or before."""
    return FORGOTTEN_HEADER, ":".join(str(field) for field in as_of).encode()


def forgotten_as_of(headers: Iterable[tuple[str, Any]] | None) -> Stamp | None:
    """The stamp a null speaks of; None where it does not say, which means everything there is."""
    value = dict(headers).get(FORGOTTEN_HEADER) if headers else None
    if not isinstance(value, bytes):
        return None
    try:
        version, time_us, offset, rank = (int(field) for field in value.decode().split(":"))
    except (UnicodeDecodeError, ValueError):
        return None
    return Stamp(version, time_us, offset, rank)
