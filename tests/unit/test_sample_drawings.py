"""The sample goods: shapes that can be read, pictures that are what they claim to be."""

from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image

from ops.sample.goods_for_home import HOME
from ops.sample.goods_to_wear import WEAR
from ops.sample.item import KINDS, sample_item
from ops.sample.outlines import outlines
from ops.sample.palette import MATERIALS
from ops.sample.patterns import HIGH, LOW, PATTERNS
from ops.sample.picture import PICTURE_SIDE, draw_picture

GOODS = {**WEAR, **HOME}


def test_half_outline_is_mirrored_into_one() -> None:
    (whole,) = outlines("M50 10 L20 30 L50 90", "half")
    assert whole.tolist() == [[50, 10], [20, 30], [50, 90], [50, 90], [80, 30], [50, 10]]


def test_second_outline_is_the_mirror_image() -> None:
    left, right = outlines("M10 0 L20 5 30 5", "twice")
    assert left.tolist() == [[10, 0], [20, 5], [30, 5]]
    assert right.tolist() == [[90, 0], [80, 5], [70, 5]]


def test_curves_end_where_they_say() -> None:
    (curve,) = outlines("M0 0 Q10 0 10 10 C10 20 20 20 20 30", "")
    assert curve[12].tolist() == pytest.approx([10, 10])
    assert curve[-1].tolist() == pytest.approx([20, 30])


def test_ellipse_and_rectangle_have_their_size() -> None:
    (ellipse,) = outlines("E50 40 20 10", "")
    (rectangle,) = outlines("R10 20 30 40 5", "")
    assert [ellipse.min(axis=0).tolist(), ellipse.max(axis=0).tolist()] == [
        pytest.approx([30, 30]),
        pytest.approx([70, 50]),
    ]
    assert [rectangle.min(axis=0).tolist(), rectangle.max(axis=0).tolist()] == [
        pytest.approx([10, 20]),
        pytest.approx([40, 60]),
    ]


def test_unfinished_command_is_an_error() -> None:
    with pytest.raises(ValueError, match="takes 4 numbers"):
        outlines("M0 0 Q1 2 3", "")


def test_every_kind_has_a_shape_and_every_shape_a_kind() -> None:
    assert len(GOODS) == len(WEAR) + len(HOME)
    assert GOODS.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", GOODS)
def test_shapes_are_readable_painted_and_inside_the_square(kind: str) -> None:
    for part in GOODS[kind]:
        assert part.paint in {"main", "plain", "trim", *MATERIALS}
        for outline in outlines(part.path, part.symmetry):
            assert np.all((outline >= LOW) & (outline <= HIGH)), part.path


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_print_shapes_over_the_whole_square(pattern: str) -> None:
    prints = list(PATTERNS[pattern](1.0, Random(1)))
    if pattern == "plain":
        assert prints == []
        return
    corners = np.concatenate([shape.outline for shape in prints])
    assert np.all(corners.min(axis=0) < LOW + 6)
    assert np.all(corners.max(axis=0) > HIGH - 6)
    assert {shape.ink for shape in prints} <= {0, 1, 2}


@pytest.mark.parametrize("number", range(len(KINDS)))
def test_picture_shows_its_good_on_a_pale_ground(number: int) -> None:
    """The corners are background; the middle of the good differs from them clearly."""
    picture = draw_picture(sample_item(number, 11, Path()), 11)
    pixels = np.asarray(picture, dtype=np.float64)
    assert pixels.shape == (PICTURE_SIDE, PICTURE_SIDE, 3)
    corners = np.stack([pixels[:6, :6], pixels[:6, -6:], pixels[-6:, :6], pixels[-6:, -6:]]).mean(axis=(1, 2))
    assert corners.min() > 130
    distance = np.linalg.norm(pixels - corners.mean(axis=0), axis=2)
    assert 0.05 < (distance > 40).mean() < 0.75


def test_same_item_same_pixels_and_another_seed_another_picture() -> None:
    item = sample_item(3, 5, Path("somewhere"))
    again = sample_item(3, 5, Path("elsewhere"))
    assert draw_picture(item, 5).tobytes() == draw_picture(again, 5).tobytes()
    assert draw_picture(item, 5).tobytes() != draw_picture(item, 6).tobytes()


def test_two_shots_of_one_item_are_alike_but_not_the_same() -> None:
    item = sample_item(1, 5, Path())
    other = item.recoloured(item.color, Path("another-shot.jpg"))
    stranger = sample_item(2, 5, Path())
    one, two, three = (_small(draw_picture(i, 5)) for i in (item, other, stranger))
    assert 0 < np.abs(one - two).mean() < np.abs(one - three).mean()


def _small(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.resize((24, 24)), dtype=np.float64)
