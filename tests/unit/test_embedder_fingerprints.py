"""Fingerprints tell pictures and embedding spaces apart, and nothing else."""

import io

import numpy as np
import pytest
from PIL import Image

from embedder.decode import decode_image
from embedder.fingerprint import model_fingerprint, picture_fingerprint
from embedder.preprocess import Preprocessing

SPEC = Preprocessing(size=32)


def noise(seed: int, shape: tuple[int, int] = (20, 30)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def test_the_same_pixels_in_two_files_are_one_picture() -> None:
    prints = set()
    for kind, options in (("PNG", {"compress_level": 1}), ("BMP", {}), ("WEBP", {"lossless": True})):
        out = io.BytesIO()
        Image.fromarray(noise(1)).save(out, kind, **options)
        prints.add(picture_fingerprint(decode_image(out.getvalue(), 10_000)))
    assert len(prints) == 1
    assert len(prints.pop()) == 16


def test_other_pixels_or_another_shape_are_another_picture() -> None:
    pixels = noise(1)
    touched = pixels.copy()
    touched[3, 4, 1] ^= 1
    reshaped = pixels.reshape(30, 20, 3)
    assert len({picture_fingerprint(each) for each in (pixels, touched, reshaped, pixels[:, ::-1])}) == 4
    assert picture_fingerprint(pixels[:, ::-1]) == picture_fingerprint(pixels[:, ::-1].copy())


@pytest.mark.parametrize(
    ("name", "weights", "spec"),
    [
        ("other", b"weights", SPEC),
        ("model", b"other", SPEC),
        ("modelw", b"eights", SPEC),
        ("model", b"weights", Preprocessing(size=33)),
        ("model", b"weights", Preprocessing(size=32, resize="letterbox")),
        ("model", b"weights", Preprocessing(size=32, interpolation="bicubic")),
        ("model", b"weights", Preprocessing(size=32, crop_share=0.9)),
        ("model", b"weights", Preprocessing(size=32, mean=(0.5, 0.5, 0.5))),
        ("model", b"weights", Preprocessing(size=32, std=(0.5, 0.5, 0.5))),
    ],
)
def test_another_model_weight_or_preprocessing_is_another_space(name: str, weights: bytes, spec: Preprocessing) -> None:
    ours = model_fingerprint("model", b"weights", SPEC)
    assert len(ours) == 16
    assert int(ours, 16) >= 0
    assert ours == model_fingerprint("model", b"weights", Preprocessing(size=32))
    assert ours != model_fingerprint(name, weights, spec)
