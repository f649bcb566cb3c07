"""A crop lies inside the picture or is an error; the whole picture as a crop is no crop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder.preprocess import Preprocessing, check_crop, crop_box, draft_side, preprocess
from schemas.errors import InputError
from schemas.queries import Crop

fractions = st.floats(-0.5, 1.5) | st.sampled_from([0.0, 1.0, -0.0, float("nan"), float("inf"), 1e-300])
sides = st.integers(1, 5000)


@st.composite
def crops_inside(draw: st.DrawFn) -> Crop:
    x, y = draw(st.floats(0, 0.999)), draw(st.floats(0, 0.999))
    width = draw(st.floats(1e-9, 1 - x, exclude_min=True))
    height = draw(st.floats(1e-9, 1 - y, exclude_min=True))
    return Crop(x, y, width, height)


@given(crop=crops_inside(), width=sides, height=sides)
def test_a_crop_inside_gives_a_box_inside_of_at_least_one_pixel(crop: Crop, width: int, height: int) -> None:
    left, upper, right, lower = crop_box(width, height, crop)
    assert 0 <= left < right <= width
    assert 0 <= upper < lower <= height
    for start, end, fraction, share, side in (
        (left, right, crop.x, crop.width, width),
        (upper, lower, crop.y, crop.height, height),
    ):
        assert abs(start - fraction * side) <= 1
        assert abs(end - (fraction + share) * side) <= 1.5  # a whole pixel at least


@given(x=fractions, y=fractions, width=fractions, height=fractions)
def test_a_crop_is_taken_exactly_when_it_lies_inside(x: float, y: float, width: float, height: float) -> None:
    edge = 1 + 1e-6
    inside = x >= 0 and y >= 0 and width > 0 and height > 0 and x + width <= edge and y + height <= edge
    crop = Crop(x, y, width, height)
    if inside:
        check_crop(crop)
        crop_box(100, 100, crop)
    else:
        for ask in (lambda: check_crop(crop), lambda: crop_box(9, 9, crop), lambda: draft_side(SPEC, crop, 8)):
            with pytest.raises(InputError) as caught:
                ask()
            assert caught.value.http_status == 400


SPEC = Preprocessing(size=16, interpolation="bicubic", crop_share=0.875, resize="centre")


@given(
    crop=crops_inside(),
    shape=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    resize=st.sampled_from(["squash", "centre", "letterbox"]),
    share=st.sampled_from([1.0, 0.875]),
)
def test_every_crop_of_every_picture_can_be_prepared(
    crop: Crop, shape: tuple[int, int], resize: str, share: float
) -> None:
    pixels = np.full((*shape, 3), 90, dtype=np.uint8)
    spec = Preprocessing(size=12, resize=resize, crop_share=share)
    assert preprocess(pixels, spec, crop).shape == (12, 12, 3)


@pytest.mark.parametrize("resize", ["squash", "centre", "letterbox"])
def test_the_whole_picture_as_a_crop_is_no_crop(resize: str) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (70, 113, 3), dtype=np.uint8)
    spec = Preprocessing(size=32, resize=resize, interpolation="bicubic", crop_share=0.9)
    np.testing.assert_array_equal(preprocess(pixels, spec, Crop(0, 0, 1, 1)), preprocess(pixels, spec))
    assert draft_side(spec, Crop(0, 0, 1, 1), 8) == draft_side(spec, None, 8)


@pytest.mark.parametrize("resize", ["squash", "centre", "letterbox"])
def test_a_crop_is_prepared_as_a_picture_of_that_part_alone(resize: str) -> None:
    pixels = np.random.default_rng(4).integers(0, 256, (100, 60, 3), dtype=np.uint8)
    spec = Preprocessing(size=16, resize=resize, interpolation="bicubic", crop_share=0.875)
    np.testing.assert_array_equal(
        preprocess(pixels, spec, Crop(0.25, 0.4, 0.5, 0.6)), preprocess(pixels[40:, 15:45].copy(), spec)
    )


@pytest.mark.parametrize(
    ("crop", "min_side", "side"),
    [(None, 8, 32), (Crop(0, 0, 0.5, 1.0), 8, 64), (Crop(0, 0, 0.1, 0.2), 8, 320), (None, 100, 100)],
)
def test_a_small_crop_asks_for_more_of_the_picture(crop: Crop | None, min_side: int, side: int) -> None:
    assert draft_side(Preprocessing(size=16), crop, min_side) == side
