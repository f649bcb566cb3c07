"""The sample catalogue: the same for the same seed, a table that can be loaded, and goods that look alike."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from embedder.models.histogram import HistogramEncoder
from embedder.preprocess import preprocess
from ops.catalog_sources import open_source
from ops.sample.item import COLOURS_PER_DESIGN, KINDS, sample_item
from ops.sample_catalog import SampleItem, draw_catalog

ALIKE = 2 * COLOURS_PER_DESIGN * len(KINDS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sample")


@pytest.fixture(scope="module")
def items(folder: Path) -> list[SampleItem]:
    return draw_catalog(folder, ALIKE, 7)


def test_same_seed_same_catalogue(folder: Path, items: list[SampleItem], tmp_path: Path) -> None:
    drawn = []
    again = draw_catalog(tmp_path, 6, 7, lambda: drawn.append(1))
    assert len(drawn) == 6
    assert [item.attributes() for item in again] == [item.attributes() for item in items[:6]], "a prefix of the larger"
    assert [item.path.read_bytes() for item in again] == [item.path.read_bytes() for item in items[:6]]


def test_another_seed_another_catalogue(items: list[SampleItem], tmp_path: Path) -> None:
    others = draw_catalog(tmp_path, 3, 8)
    assert all(a.path.read_bytes() != b.path.read_bytes() for a, b in zip(others, items, strict=False))


def test_items_are_distinct_and_whole(items: list[SampleItem]) -> None:
    assert len({item.item_id for item in items}) == ALIKE
    assert len({item.path.read_bytes() for item in items}) == ALIKE
    assert {item.category for item in items} == set(KINDS)
    for item in items:
        kind = KINDS[item.category]
        assert kind.cheapest - 1 <= item.price <= kind.dearest
        assert item.color in item.title
        assert item.item_id.startswith(f"{item.category}-")


def test_designs_join_items_of_one_kind_and_pattern_in_different_colours(items: list[SampleItem]) -> None:
    groups: dict[str, list[SampleItem]] = {}
    for item in items:
        groups.setdefault(item.group_id, []).append(item)
    for group in groups.values():
        assert len(group) == COLOURS_PER_DESIGN
        assert len({(item.category, item.pattern, item.brand) for item in group}) == 1
        assert len({item.color for item in group}) == COLOURS_PER_DESIGN


def test_pictures_are_small_jpegs(items: list[SampleItem]) -> None:
    for item in items[:8]:
        with Image.open(item.path) as picture:
            assert (picture.format, picture.size) == ("JPEG", (288, 288))
        assert item.path.stat().st_size < 60_000


def test_change_announces_the_item(items: list[SampleItem]) -> None:
    change = items[0].change()
    assert change.op == "upsert"
    assert change.images == (items[0].path.as_uri(),)
    assert change.attributes is not None
    assert change.attributes["category"] == "t-shirt"
    assert change.attributes["in_stock"] in (True, False)


def test_its_table_loads_as_the_same_changes(folder: Path, items: list[SampleItem]) -> None:
    assert list(open_source(folder)) == [item.change() for item in items]


def test_relative_folder_still_gives_an_absolute_url() -> None:
    images = sample_item(0, 0, Path("here")).change().images
    assert images == ((Path.cwd() / "here" / "t-shirt-0000.jpg").as_uri(),)


def test_nearest_picture_is_of_the_same_kind(items: list[SampleItem]) -> None:
    encoder = HistogramEncoder()
    pictures = [np.asarray(Image.open(item.path)) for item in items]
    vectors = encoder.encode(np.stack([preprocess(p, encoder.preprocessing) for p in pictures])).vectors
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -1.0)
    assert scores.max() < 0.995, "no two pictures are the same to a model"
    kinds = np.array([item.category for item in items])
    assert (kinds[scores.argmax(axis=1)] == kinds).mean() > 0.9
