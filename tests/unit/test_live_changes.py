"""The running demo's changes: each is true of the catalogue that all before it made."""

from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from ops.sample import live
from ops.sample.item import SampleItem, sample_item
from ops.sample_catalog import LiveChange, live_changes
from schemas.changes import decode_change, encode_change
from schemas.item_state import ItemState, Origin, apply_change

STEPS = 600


@pytest.fixture(autouse=True)
def _quick_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are drawn elsewhere; here a file with their name is enough."""
    monkeypatch.setattr(live, "save_picture", lambda item, seed: item.path.write_text(f"{item.item_id} {item.color}"))


def first_items(folder: Path, count: int = 30) -> list[SampleItem]:
    return [sample_item(number, 3, folder / "images") for number in range(count)]


def first_changes(folder: Path, steps: int, count: int = 30, seed: int = 3) -> list[LiveChange]:
    return list(islice(live_changes(first_items(folder, count), folder, seed), steps))


def test_same_seed_same_changes(tmp_path: Path) -> None:
    assert first_changes(tmp_path, 60) == first_changes(tmp_path, 60)
    assert first_changes(tmp_path, 60) != first_changes(tmp_path, 60, seed=4)


def test_every_change_is_true_of_the_catalogue_before_it(tmp_path: Path) -> None:
    shown: dict[str, dict[str, Any]] = {item.item_id: item.attributes() for item in first_items(tmp_path)}
    gone: set[str] = set()
    for event in islice(live_changes(first_items(tmp_path), tmp_path, 3), STEPS):
        item_id, attributes = event.change.item_id, event.change.attributes
        assert item_id == event.item.item_id
        assert (item_id in shown) == (event.action not in ("new", "returned"))
        assert (item_id in gone) == (event.action == "returned")
        if event.change.op == "delete":
            assert shown.pop(item_id) == event.item.attributes()
            gone.add(item_id)
            continue
        assert attributes is not None
        before = shown.get(item_id)
        assert before is None or before != {**before, **attributes}, "a change changes something"
        shown[item_id] = {**(before or {}), **attributes}
        gone.discard(item_id)
        assert shown[item_id] == event.item.attributes()
        assert abs(len(shown) - 30) <= 4


def test_the_merge_comes_to_the_same_catalogue(tmp_path: Path) -> None:
    states: dict[str, ItemState] = {}
    expected: dict[str, dict[str, Any]] = {item.item_id: item.attributes() for item in first_items(tmp_path)}
    changes = [item.change() for item in first_items(tmp_path)]
    for event in first_changes(tmp_path, STEPS):
        changes.append(event.change)
        expected.pop(event.item.item_id, None)
        if event.change.op != "delete":
            expected[event.item.item_id] = event.item.attributes()
    for offset, change in enumerate(changes):
        sent = decode_change(encode_change(change), change.item_id.encode())
        states[sent.item_id] = apply_change(states.get(sent.item_id), sent, Origin(0, offset, 1_000_000 + offset))
    assert {item_id: state.values() for item_id, state in states.items() if state.live} == expected


def test_everything_happens_and_is_told(tmp_path: Path) -> None:
    events = first_changes(tmp_path, STEPS)
    told = Counter(event.action for event in events)
    assert told.keys() == live.WEIGHTS.keys()
    for event in events:
        assert event.item.item_id in event.sentence
        if event.action == "repriced":
            assert f"{event.item.price:.2f}" in event.sentence
        if event.action == "repainted":
            assert event.item.color in event.sentence


def test_pictures_of_shown_items_exist_and_the_folder_stays_small(tmp_path: Path) -> None:
    shown: dict[str, Path] = {}
    for event in islice(live_changes(first_items(tmp_path), tmp_path, 3), 3 * STEPS):
        if event.change.op == "delete":
            shown.pop(event.change.item_id, None)
        elif event.change.images is not None:
            (url,) = event.change.images
            assert Path(unquote(urlsplit(url).path)) == event.item.path
            shown[event.change.item_id] = event.item.path
    assert all(path.is_file() for path in shown.values())
    most = 30 + 4 + live.MOST_WITHDRAWN + live.MOST_STALE_PICTURES
    assert len(list((tmp_path / "live").iterdir())) <= most


def test_pictures_it_did_not_draw_are_left_alone(tmp_path: Path) -> None:
    items = first_items(tmp_path)
    (tmp_path / "images").mkdir()
    for item in items:
        item.path.write_text("mine")
    for _ in islice(live_changes(items, tmp_path, 3), STEPS):
        pass
    assert len(list((tmp_path / "images").iterdir())) == 30


@pytest.mark.parametrize("count", [0, 1, 2])
def test_tiny_catalogues_live_too(tmp_path: Path, count: int) -> None:
    sizes = []
    shown = {item.item_id for item in first_items(tmp_path, count)}
    for event in first_changes(tmp_path, 200, count):
        (shown.discard if event.change.op == "delete" else shown.add)(event.change.item_id)
        sizes.append(len(shown))
    assert max(sizes) <= max(count, 1) + 1
    assert min(sizes) >= min(count, 1)
