"""The vector cache: what pictures became, under the digest of their encoded bytes and the model that made it.

A hit skips decoding, the checks of quality and the model. That is safe, as only pictures that passed are kept, and
whatever decides about passing (the model with its preprocessing, the limits of the settings) names the space of a key.

Each stream worker has a folder of its own, as RocksDB takes one process per folder. It also remembers what servers
said of the pictures at their URLs, which is of use only together with the vectors.
"""

import hashlib
import struct
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import numpy as np

from embedder.bounded_store import BoundedStore
from embedder.fetched import Validator
from embedder.fingerprint import PICTURE_BYTES
from embedder.models.base import Encoder, Float32Array
from schemas.settings import ImageSettings

LAYOUT = 1
AVERAGE_OVERHEAD_BYTES = 64
_HEAD = struct.Struct(f"<QdI{PICTURE_BYTES}s")
"""Write counter, the vector's length before it was 1, checksum of what follows, the picture's fingerprint."""

_decoder = msgspec.msgpack.Decoder(Validator)


class KnownVector(NamedTuple):
    """What a picture became: a float32 unit vector (dimension,) exact as fp16, its length before, its fingerprint."""

    vector: Float32Array
    norm: float
    fingerprint: bytes


class VectorCache:
    """Vectors by the digest of the encoded picture, and validators by URL, in one bounded store.

    What is used stays: a hit that has grown old is written again, in front of what nobody asks for.
    """

    def __init__(self, store: BoundedStore, encoder: Encoder, images: ImageSettings) -> None:
        self._store = store
        self._space = b"v" + cache_space(encoder, images)
        self._dimension = encoder.dimension
        entry_bytes = 2 * encoder.dimension + _HEAD.size + AVERAGE_OVERHEAD_BYTES
        self._old_after = store.max_bytes // entry_bytes // 2

    def get(self, digest: bytes) -> KnownVector | None:
        """What the picture of this digest became, None when unknown."""
        key = self._space + digest
        value = self._store.get(key)
        found = None if value is None else self._decoded(value)
        if value is None or found is None:
            return None
        written, known = found
        if self._store.writes - written > self._old_after:
            self.put({digest: known})
        return known

    def knows(self, digest: bytes) -> bool:
        """Whether `get` has an answer."""
        return self.get(digest) is not None

    def put(self, vectors: Mapping[bytes, KnownVector]) -> None:
        """Keeps what pictures became, by their digest."""
        written = self._store.writes
        self._store.put({self._space + digest: _encoded(written, known) for digest, known in vectors.items()})

    def validator(self, ref: str) -> Validator | None:
        """See `embedder.fetched.Validators`."""
        value = self._store.get(_url_key(ref))
        try:
            return None if value is None else _decoder.decode(value)
        except msgspec.DecodeError:
            return None

    def remember(self, ref: str, validator: Validator) -> None:
        """See `embedder.fetched.Validators`; what is remembered already is not written again."""
        if self.validator(ref) != validator:
            self._store.put({_url_key(ref): msgspec.msgpack.encode(validator)})

    def size_bytes(self) -> int:
        """Bytes on disk."""
        return self._store.size_bytes()

    def close(self) -> None:
        """Gives the folder back."""
        self._store.close()

    def _decoded(self, value: bytes) -> tuple[int, KnownVector] | None:
        if len(value) != _HEAD.size + 2 * self._dimension:
            return None
        written, norm, check, fingerprint = _HEAD.unpack_from(value)
        halves = value[_HEAD.size :]
        if check != _checksum(norm, fingerprint, halves):
            return None
        return written, KnownVector(np.frombuffer(halves, dtype="<f2").astype(np.float32), norm, fingerprint)


def cache_space(encoder: Encoder, images: ImageSettings) -> bytes:
    """16 bytes over everything but the picture that decides what becomes of it."""
    parts = (LAYOUT, encoder.fingerprint, encoder.dimension, images.max_bytes, images.max_pixels, images.min_side)
    return hashlib.blake2b(msgspec.msgpack.encode(parts), digest_size=16, person=b"space").digest()


def _encoded(written: int, known: KnownVector) -> bytes:
    halves = known.vector.astype("<f2").tobytes()
    return _HEAD.pack(written, known.norm, _checksum(known.norm, known.fingerprint, halves), known.fingerprint) + halves


def _checksum(norm: float, fingerprint: bytes, halves: bytes) -> int:
    digest = hashlib.blake2b(struct.pack("<d", norm) + fingerprint + halves, digest_size=4).digest()
    return int.from_bytes(digest, "little")


def _url_key(ref: str) -> bytes:
    return b"u" + hashlib.blake2b(ref.encode(errors="surrogatepass"), digest_size=16).digest()
