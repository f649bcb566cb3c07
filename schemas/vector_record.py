"""The binary value of `vectors.<generation>`: what one item looks like in one embedding space."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.item_state import Stamp

LAYOUT_VERSION = 1
Float32Array = npt.NDArray[np.float32]


class StageTimes(NamedTuple):
    """When a change passed each stage, in microseconds since the epoch; 0 where a stage was not needed."""

    event_us: int = 0
    merged_us: int = 0
    fetched_us: int = 0
    embedded_us: int = 0


class VectorRecord(msgspec.Struct, frozen=True, array_like=True):
    """The vectors of an item's pictures, as of the pictures' stamp; no vectors at all is a delete marker.

    `vectors` are little-endian fp16, one row of `dimension` numbers per picture, in the order of `fingerprints` (of the
    decoded pixels, so that identical pictures are known as such). `model` names the embedding space. `norms` are
    little-endian fp32: the vectors' lengths before they were made unit vectors; empty in records from before they were
    kept.
    """

    image_at: Stamp
    model: str
    dimension: int
    fingerprints: tuple[bytes, ...] = ()
    vectors: bytes = b""
    times: StageTimes = StageTimes()
    norms: bytes = b""

    @property
    def is_delete(self) -> bool:
        """Whether the item has nothing to be found by as of `image_at`."""
        return not self.fingerprints

    def matrix(self) -> Float32Array:
        """The vectors as float32 of shape (pictures, dimension)."""
        halves = np.frombuffer(self.vectors, dtype="<f2")
        return halves.reshape(len(self.fingerprints), self.dimension).astype(np.float32)

    def lengths(self) -> Float32Array:
        """The vectors' lengths before they were made unit vectors: float32 (pictures,), NaN where not known."""
        if len(self.norms) != 4 * len(self.fingerprints):
            return np.full(len(self.fingerprints), np.nan, np.float32)
        return np.frombuffer(self.norms, dtype="<f4")


_decoder = msgspec.msgpack.Decoder(VectorRecord)


def make_vector_record(
    image_at: Stamp,
    model: str,
    fingerprints: tuple[bytes, ...],
    vectors: Float32Array,
    times: StageTimes,
    lengths: Sequence[float] = (),
) -> VectorRecord:
    """A record of float32 unit vectors of shape (pictures, dimension), kept as fp16, and of their lengths before.

    Raises:
        ValueError: a vector is not finite, not of unit length (within 1 %), or their count is not the pictures'.
    """
    if vectors.ndim != 2 or vectors.shape[0] != len(fingerprints):
        raise ValueError(f"{len(fingerprints)} pictures but vectors of shape {vectors.shape}")
    norms = np.linalg.norm(vectors, axis=1)
    if not np.all(np.abs(norms - 1.0) < 0.01):
        raise ValueError(f"vectors must have unit length, not {norms.tolist()}")
    norms_kept = np.asarray(lengths, dtype="<f4").tobytes()
    halves = vectors.astype("<f2").tobytes()
    return VectorRecord(image_at, model, vectors.shape[1], fingerprints, halves, times, norms_kept)


def encode_vector_record(record: VectorRecord) -> bytes:
    """One byte of layout version, then the record as MessagePack."""
    return bytes([LAYOUT_VERSION]) + msgspec.msgpack.encode(record)


def decode_vector_record(value: bytes) -> VectorRecord:
    """The record of these bytes.

    Raises:
        ValueError: another layout version, bytes that are no record, or a length that is not pictures x dimension.
    """
    if not value or value[0] != LAYOUT_VERSION:
        raise ValueError(f"unknown layout version {value[:1].hex() or 'none'} of a vector record")
    try:
        record = _decoder.decode(memoryview(value)[1:])
    except msgspec.DecodeError as error:
        raise ValueError(f"not a vector record: {error}") from error
    if len(record.vectors) != 2 * record.dimension * len(record.fingerprints):
        raise ValueError(
            f"{len(record.vectors)} bytes are not {len(record.fingerprints)} vectors of {record.dimension} fp16 numbers"
        )
    return record
