"""The changes of `lookalive bench stream`: patches, upserts whose picture stays, and upserts with a new one."""

import base64
import io
from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np
from PIL import Image

from schemas.changes import CatalogChange

ChangeKind = Literal["patch", "same picture", "new picture"]
KINDS: tuple[ChangeKind, ...] = get_args(ChangeKind)
ITEMS, SIDE, CELLS = 2000, 64, 8


def seed_changes(seed: int) -> Iterator[CatalogChange]:
    """One upsert of every item, with a picture of its own."""
    for number in range(ITEMS):
        yield _upsert(number, 0, png_url(seed, number % 50))


def changes(kind: ChangeKind, count: int, seed: int) -> Iterator[CatalogChange]:
    """That many changes, over all items in turn; pictures inside, as `data:` URLs."""
    for number in range(count):
        item = number % ITEMS
        if kind == "patch":
            yield CatalogChange(op="patch", item_id=f"sku-{item}", attributes={"price": float(number)})
        elif kind == "same picture":
            yield _upsert(item, number, None)
        else:
            yield _upsert(item, number, png_url(seed, 1000 + number))


def png_url(seed: int, number: int) -> str:
    """A 64 px PNG of coloured squares that only this seed and number give."""
    cells = np.random.default_rng((seed, number)).integers(0, 256, (CELLS, CELLS, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(cells).resize((SIDE, SIDE), Image.Resampling.NEAREST).save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def _upsert(item: int, number: int, picture: str | None) -> CatalogChange:
    attributes = {"category": "dress", "price": float(number), "in_stock": True, "brand": f"b{item % 50}"}
    images = None if picture is None else (picture,)
    return CatalogChange(op="upsert", item_id=f"sku-{item}", images=images, attributes=attributes)
