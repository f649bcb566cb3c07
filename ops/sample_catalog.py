"""The sample catalogue: a few hundred goods drawn by the project itself, and an endless stream of changes to them.

Items of one kind and one pattern in near colours look alike, so that a search shows whether it works at a glance.
"""

import csv
from collections.abc import Callable
from pathlib import Path

from ops.sample.item import SampleItem, sample_item
from ops.sample.live import LiveChange, live_changes
from ops.sample.picture import save_picture

__all__ = ["LiveChange", "SampleItem", "draw_catalog", "live_changes"]

TABLE = "items.csv"
DEFAULT_COUNT = 300


def draw_catalog(
    folder: Path, count: int = DEFAULT_COUNT, seed: int = 0, progress: Callable[[], None] | None = None
) -> list[SampleItem]:
    """Draw that many items into a folder: their pictures as JPEG, and `items.csv`, which `catalog load` can read.

    The same seed gives the same items and the same pixels; a smaller catalogue is the beginning of a larger one.
    `progress` is called once per item. What else lies in the folder stays.
    """
    pictures = folder / "images"
    pictures.mkdir(parents=True, exist_ok=True)
    items = []
    for number in range(count):
        item = sample_item(number, seed, pictures)
        save_picture(item, seed)
        items.append(item)
        if progress is not None:
            progress()
    _write_table(folder / TABLE, items)
    return items


def _write_table(path: Path, items: list[SampleItem]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["item_id", "image", *(items[0].attributes() if items else ())])
        for item in items:
            cells = ["true" if v is True else "false" if v is False else v for v in item.attributes().values()]
            table.writerow([item.item_id, item.path.relative_to(path.parent).as_posix(), *cells])
