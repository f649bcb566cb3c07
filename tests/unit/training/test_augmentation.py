"""Views: what is drawn stays in its bounds, nothing drawn is the stream's own preparation, and a seed says it all."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from embedder.prepare import decode_for, prepare_picture
from embedder.preprocess import Preprocessing
from embedder.training.augmentation import NO_CHANGE, Augmentation, draw_view, make_view
from embedder.training.pixel_store import PixelStore
from embedder.training.view_loader import ViewLoader
from schemas.settings import ImageSettings

SPEC = Preprocessing(size=32)
ALWAYS = Augmentation(turn=20.0, mirror=1.0, grey=1.0, blur=1.0, erase=1.0)


def picture(height: int = 90, width: int = 70, seed: int = 1) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    return np.array(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 500), st.floats(0.05, 1.0))
def test_a_crop_is_inside_and_has_its_share_of_the_area(width: int, height: int, seed: int, least: float) -> None:
    view = draw_view(np.random.default_rng(seed), Augmentation(least_area=least), width, height, 32)
    left, upper, right, lower = view.box
    assert 0 <= left < right <= width
    assert 0 <= upper < lower <= height
    rounding = 0.5 * (width + height) + 1
    assert (right - left) * (lower - upper) >= least * width * height - rounding


@pytest.mark.parametrize("resize", ["squash", "centre", "letterbox"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_view_that_changes_nothing_is_what_the_stream_prepares(resize: str, kind: str, tmp_path: Path) -> None:
    spec = Preprocessing(size=48, resize=resize, crop_share=0.9)  # type: ignore[arg-type]
    buffer = io.BytesIO()
    Image.fromarray(picture(480, 360)).save(buffer, kind)
    images = ImageSettings()
    prepared, _ = prepare_picture(buffer.getvalue(), None, spec, images)
    store = PixelStore(tmp_path)
    store.put(0, decode_for(buffer.getvalue(), None, spec, images)[1])
    store.freeze()
    loader = ViewLoader(store, np.array([0]), NO_CHANGE, spec, seed=1, views=2)
    (loaded,) = loader.epoch(0, [np.array([0])])
    np.testing.assert_array_equal(loaded.views, np.stack([prepared, prepared]))
    store.close()


def test_mirrored_and_grey_views() -> None:
    pixels = picture()
    plain = make_view(pixels, draw_view(np.random.default_rng(1), NO_CHANGE, 70, 90, 32), SPEC)
    mirrored = draw_view(np.random.default_rng(1), Augmentation(**asdict(NO_CHANGE) | {"mirror": 1.0}), 70, 90, 32)
    np.testing.assert_array_equal(make_view(pixels, mirrored, SPEC), plain[:, ::-1])
    grey = draw_view(np.random.default_rng(1), Augmentation(**asdict(NO_CHANGE) | {"grey": 1.0}), 70, 90, 32)
    made = make_view(pixels, grey, SPEC)
    luma = plain @ np.array([0.299, 0.587, 0.114])
    assert np.abs(made - luma[..., None]).max() <= 1.0


def test_a_view_is_turned_either_way_within_its_bounds() -> None:
    turns = [draw_view(np.random.default_rng(n), Augmentation(turn=20.0), 70, 90, 32).turned for n in range(200)]
    assert -20 <= min(turns) < -15 < 15 < max(turns) <= 20
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[::8] = stripes[1::8] = 255
    unchanged = draw_view(np.random.default_rng(1), NO_CHANGE, 64, 64, 64)
    turned = make_view(stripes, unchanged._replace(turned=90.0), Preprocessing(size=64))
    middle = slice(8, -8)
    np.testing.assert_array_equal(
        turned[middle, middle], np.rot90(make_view(stripes, unchanged, Preprocessing(size=64)))[middle, middle]
    )


def test_views_are_other_pixels_of_the_same_shape_and_leave_the_picture_alone() -> None:
    pixels = picture()
    before = pixels.copy()
    made = [make_view(pixels, draw_view(np.random.default_rng(n), ALWAYS, 70, 90, 32), SPEC) for n in range(8)]
    assert {(view.shape, view.dtype) for view in made} == {((32, 32, 3), np.dtype(np.uint8))}
    assert len({view.tobytes() for view in made}) == 8
    np.testing.assert_array_equal(pixels, before)


def test_views_depend_on_seed_epoch_batch_and_place_alone(tmp_path: Path) -> None:
    store = PixelStore(tmp_path)
    for number in range(5):
        store.put(number, picture(seed=number))
    store.freeze()
    batches = [np.array([0, 1, 2]), np.array([3, 4, 0]), np.array([1, 1, 1]), np.array([2, 3, 4])]

    def made(seed: int, epoch: int, threads: int) -> list[bytes]:
        loader = ViewLoader(store, np.arange(5), Augmentation(), SPEC, seed, views=2)
        loader._threads = threads
        return [batch.views.tobytes() + batch.rows.tobytes() for batch in loader.epoch(epoch, batches)]

    assert made(1, 0, 1) == made(1, 0, 4)
    assert made(1, 0, 1) != made(1, 1, 1)
    assert made(1, 0, 1) != made(2, 0, 1)
    store.close()


def asdict(how: Augmentation) -> dict[str, float]:
    return {name: getattr(how, name) for name in how.__struct_fields__}
