"""Fingerprints: what makes two pictures the same picture, and two models the same embedding space."""

import hashlib

import msgspec
import numpy as np

from embedder.decode import Pixels
from embedder.preprocess import Preprocessing

PICTURE_BYTES = 16
MODEL_HEX_DIGITS = 16


def picture_fingerprint(pixels: Pixels) -> bytes:
    """16 bytes over the decoded pixels and their shape: the same picture in two files has one fingerprint."""
    digest = hashlib.blake2b(digest_size=PICTURE_BYTES, person=b"picture")
    digest.update(np.array(pixels.shape, dtype="<u4").tobytes())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.digest()


def model_fingerprint(name: str, weights: bytes, spec: Preprocessing) -> str:
    """16 hex digits over a model's name, its weights (their bytes, or a digest of them) and its preprocessing.

    Vectors of models with different fingerprints are never compared.
    """
    digest = hashlib.blake2b(digest_size=MODEL_HEX_DIGITS // 2, person=b"model")
    for part in (name.encode(), msgspec.json.encode(spec), weights):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()
