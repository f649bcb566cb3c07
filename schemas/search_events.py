"""The records of `search.events` that say what a search showed; keyed by the query's id."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.queries import Hit

ITEMS_TOLD = 10


class ShownItem(NamedTuple):
    """An item of the answer, in its place."""

    item_id: str
    score: float


class Impression(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="impression"):
    """What one search by a picture showed: the first items, best first.

    `vector` is the picture's unit vector as little-endian fp16 (base64 in the JSON), `norm` its length before it was
    one: by these it is seen whether what people ask for moves away from what it was.
    """

    query_id: str
    generation: str
    time_us: int
    items: list[ShownItem]
    vector: bytes
    norm: float

    def unit_vector(self) -> npt.NDArray[np.float32]:
        """The vector, float32 of shape (dimension,)."""
        return np.frombuffer(self.vector, "<f2").astype(np.float32)


_decoder = msgspec.json.Decoder(Impression)


def make_impression(
    query_id: str, generation: str, time_us: int, hits: Sequence[Hit], vector: npt.NDArray[np.float32], norm: float
) -> Impression:
    """The record of an answer's hits to a picture whose float32 vector (dimension,) had this length."""
    shown = [ShownItem(hit.item_id, hit.score) for hit in hits[:ITEMS_TOLD]]
    return Impression(
        query_id=query_id,
        generation=generation,
        time_us=time_us,
        items=shown,
        vector=vector.astype("<f2").tobytes(),
        norm=norm,
    )


def encode_impression(impression: Impression) -> bytes:
    """Its JSON value."""
    return msgspec.json.encode(impression)


def decode_impression(value: bytes) -> Impression | None:
    """The record of this JSON; None of whatever else the topic holds."""
    try:
        return _decoder.decode(value)
    except msgspec.DecodeError:
        return None
