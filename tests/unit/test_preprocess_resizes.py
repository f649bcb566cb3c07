"""The three ways to a square, against what each must show, and against timm's own transform."""

import numpy as np
import pytest
from PIL import Image

from embedder.preprocess import Preprocessing, preprocess


def three_stripes() -> np.ndarray:
    """40 x 120: red, green and blue thirds side by side."""
    pixels = np.zeros((40, 120, 3), dtype=np.uint8)
    for index in range(3):
        pixels[:, 40 * index : 40 * (index + 1), index] = 255
    return pixels


def test_squash_shows_all_of_it() -> None:
    prepared = preprocess(three_stripes(), Preprocessing(size=30, resize="squash"))
    assert [prepared[15, x].argmax() for x in (4, 15, 26)] == [0, 1, 2]


def test_centre_shows_the_square_in_the_middle() -> None:
    prepared = preprocess(three_stripes(), Preprocessing(size=30, resize="centre", crop_share=0.9))
    np.testing.assert_array_equal(prepared, np.full((30, 30, 3), (0, 255, 0), dtype=np.uint8))


@pytest.mark.parametrize("turned", [False, True])
def test_letterbox_shows_all_of_it_on_white(turned: bool) -> None:
    pixels = three_stripes().transpose(1, 0, 2) if turned else three_stripes()
    prepared = preprocess(pixels, Preprocessing(size=30, resize="letterbox", interpolation="box"))
    prepared = prepared.transpose(1, 0, 2) if turned else prepared
    assert np.all(prepared[:10] == 255)
    assert np.all(prepared[20:] == 255)
    assert [prepared[15, x].tolist() for x in (5, 15, 25)] == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]


def test_a_larger_picture_and_a_smaller_one_of_the_same_scene_are_alike() -> None:
    scene = Image.radial_gradient("L").convert("RGB")
    spec = Preprocessing(size=32)
    sizes = [(1500, 1000), (300, 200), (40, 40)]
    prepared = [preprocess(np.asarray(scene.resize(size, Image.Resampling.BOX)), spec).astype(int) for size in sizes]
    assert np.abs(prepared[0] - prepared[1]).max() <= 4
    assert np.abs(prepared[0] - prepared[2]).max() <= 12


@pytest.mark.parametrize("interpolation", ["nearest", "box", "bilinear", "bicubic", "lanczos"])
def test_a_picture_of_the_very_size_is_not_touched(interpolation: str) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    for resize in ("squash", "centre", "letterbox"):
        spec = Preprocessing(size=24, resize=resize, interpolation=interpolation)
        np.testing.assert_array_equal(preprocess(pixels, spec), pixels)


@pytest.mark.parametrize(("width", "height"), [(300, 240), (150, 333)])
def test_centre_is_timms_evaluation_transform(width: int, height: int) -> None:
    from timm.data import create_transform

    smooth = Image.radial_gradient("L").resize((width, height)).convert("RGB")
    spec = Preprocessing(size=56, resize="centre", interpolation="bicubic", crop_share=0.875)
    theirs = create_transform((3, 56, 56), interpolation="bicubic", crop_pct=0.875, mean=(0, 0, 0), std=(1, 1, 1))
    wanted = theirs(smooth).numpy().transpose(1, 2, 0) * 255
    difference = np.abs(preprocess(np.asarray(smooth), spec) - wanted)
    assert difference.mean() < 1.0
    assert difference.max() < 6.0
