"""A row of `catalog.rejects`: what was not taken, why, and where it came from."""

import base64

import msgspec

from schemas.errors import RejectReason


class RejectOrigin(msgspec.Struct, frozen=True):
    """The record that was refused."""

    topic: str
    partition: int
    offset: int
    time_us: int


class Reject(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The JSON value of `catalog.rejects`; its key is the item_id where one could be read.

    `original` is the refused value when it is UTF-8 text, `original_b64` otherwise; both are None for a null value.
    """

    reason: RejectReason
    message: str
    origin: RejectOrigin
    item_id: str | None = None
    attempt: int = 1
    original: str | None = None
    original_b64: str | None = None
    details: dict[str, str] = {}

    def original_bytes(self) -> bytes | None:
        """The refused value, byte for byte."""
        if self.original_b64 is not None:
            return base64.b64decode(self.original_b64)
        return None if self.original is None else self.original.encode()


def original_fields(value: bytes | None) -> dict[str, str]:
    """How a refused value is kept: `original` or `original_b64`."""
    if value is None:
        return {}
    try:
        return {"original": value.decode()}
    except UnicodeDecodeError:
        return {"original_b64": base64.b64encode(value).decode()}


_decoder = msgspec.json.Decoder(Reject)


def encode_reject(reject: Reject) -> bytes:
    """The value of `catalog.rejects` for this row."""
    return msgspec.json.encode(reject)


def decode_reject(value: bytes) -> Reject:
    """The row of this value; raises msgspec.DecodeError or ValidationError on anything else."""
    return _decoder.decode(value)
