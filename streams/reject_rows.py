"""Rows of `catalog.rejects` as they are produced: bounded, keyed by the item, in the item's partition."""

from typing import NamedTuple, cast

from schemas.errors import LookaliveError, RejectReason
from schemas.rejects import Reject, RejectOrigin, encode_reject, original_fields

MAX_ROW_BYTES = 900_000
MAX_MESSAGE_CHARS = 1000


class RejectRow(NamedTuple):
    """A record of `catalog.rejects`, ready to be produced."""

    key: bytes | None
    value: bytes
    partition: int
    reason: str

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """The reason again, so that readers can choose rows without decoding them."""
        return [("reason", self.reason.encode())]


def reject_row(
    error: LookaliveError,
    origin: RejectOrigin,
    item_id: str | None,
    original: bytes | None,
    partition: int,
    attempt: int = 1,
) -> RejectRow:
    """The row that says why `original` was refused.

    Brokers take records of a megabyte: what would not fit loses its original, and `details` says so; the origin still
    names the record.
    """
    reject = Reject(
        reason=cast("RejectReason", error.code),
        message=error.message[:MAX_MESSAGE_CHARS],
        origin=origin,
        item_id=item_id,
        attempt=attempt,
        details={name: str(value)[:MAX_MESSAGE_CHARS] for name, value in error.details.items()},
        **original_fields(original),
    )
    value = encode_reject(reject)
    if len(value) > MAX_ROW_BYTES and original is not None:
        left_out = f"left out: {len(original)} bytes"
        value = encode_reject(
            Reject(
                reason=reject.reason,
                message=reject.message,
                origin=origin,
                item_id=item_id,
                attempt=attempt,
                details={**reject.details, "original": left_out},
            )
        )
    key = None if item_id is None else item_id.encode()
    return RejectRow(key, value, partition, error.code)
