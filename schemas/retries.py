"""A record of `catalog.retries`: an item whose pictures could not be fetched, and when they are tried again."""

import msgspec

from schemas.errors import RejectReason
from schemas.item_state import ImagePart
from schemas.rejects import RejectOrigin


class Retry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The JSON value of `catalog.retries`; its key is the item_id.

    `image` is the references and the stamp of the pictures, `origin` the record of `items.state` that asked for them.
    `attempt` counts the times they were tried; times are microseconds since the epoch. Of several pictures, those in
    `refused` have been rejected already, and `written` of them are in the item's vectors.
    """

    item_id: str
    generation: str
    image: ImagePart
    attempt: int
    not_before_us: int
    first_failed_us: int
    reason: RejectReason
    message: str
    origin: RejectOrigin
    refused: tuple[str, ...] = ()
    written: int = 0


_decoder = msgspec.json.Decoder(Retry)


def encode_retry(retry: Retry) -> bytes:
    """The value of `catalog.retries` for this record."""
    return msgspec.json.encode(retry)


def decode_retry(value: bytes) -> Retry:
    """The record of this value; raises msgspec.DecodeError or ValidationError on anything else."""
    return _decoder.decode(value)
