"""A shop's day: an endless stream of changes to the sample catalogue, each true of the catalogue it finds."""

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Literal

import msgspec

from ops.sample.item import SampleItem, sample_item, sample_price
from ops.sample.palette import COLOURS
from ops.sample.picture import save_picture
from schemas.changes import Attributes, CatalogChange

Action = Literal["new", "returned", "repriced", "stock", "repainted", "withdrawn"]

WEIGHTS: dict[Action, int] = {"repriced": 30, "stock": 25, "repainted": 15, "new": 9, "returned": 6, "withdrawn": 15}
MOST_WITHDRAWN = 20
"""Withdrawn items that may come back; the one withdrawn first is then gone for good."""
MOST_STALE_PICTURES = 50
"""Pictures kept after their item got another one, for whoever is still about to fetch them."""


class LiveChange(msgspec.Struct, frozen=True, kw_only=True):
    """One change: what happened, a sentence for people, what to send, and the item after it (withdrawn: before it)."""

    action: Action
    sentence: str
    change: CatalogChange
    item: SampleItem


class LiveCatalog:
    """The catalogue as it stands, and the next thing that happens to it.

    Its size stays within a few items of what it was at first. New pictures go into `pictures`, and only pictures in
    that folder are ever removed again.
    """

    def __init__(self, items: Iterable[SampleItem], pictures: Path, seed: int) -> None:
        self.items = {item.item_id: item for item in items}
        self.withdrawn: deque[SampleItem] = deque()
        self._pictures, self._seed = pictures, seed
        self._random = Random(f"{seed}/live")  # noqa: S311 - a show, not a secret
        self._size = max(len(self.items), 1)
        self._slack = max(1, min(5, self._size // 10))
        self._number = 1 + max((int(item_id.rpartition("-")[2]) for item_id in self.items), default=-1)
        self._stale: deque[Path] = deque()
        self._repainted = 0

    def step(self) -> LiveChange:
        """What happens next."""
        action = self._random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if action in ("new", "returned") and len(self.items) >= self._size + self._slack:
            action = "withdrawn"
        if not self.items or (action == "withdrawn" and len(self.items) <= max(self._size - self._slack, 1)):
            action = "returned"
        if action == "returned" and self.withdrawn:
            return self._return()
        if action in ("new", "returned"):
            return self._add()
        item = self._random.choice(list(self.items.values()))
        return {
            "repriced": self._reprice,
            "stock": self._restock,
            "repainted": self._repaint,
            "withdrawn": self._withdraw,
        }[action](item)

    def _add(self) -> LiveChange:
        item = sample_item(self._number, self._seed, self._pictures)
        self._number += 1
        save_picture(item, self._seed)
        self.items[item.item_id] = item
        return _upsert("new", f"new: {item.item_id}, {item.title}", item)

    def _return(self) -> LiveChange:
        item = self._random.choice(list(self.withdrawn))
        self.withdrawn.remove(item)
        self.items[item.item_id] = item
        return _upsert("returned", f"brought back {item.item_id}", item)

    def _reprice(self, item: SampleItem) -> LiveChange:
        price = sample_price(item.category, self._random)
        if price == item.price:
            price = round(price + 1.0, 2)
        sentence = f"repriced {item.item_id} from {item.price:.2f} to {price:.2f}"
        return self._patch("repriced", sentence, msgspec.structs.replace(item, price=price), {"price": price})

    def _restock(self, item: SampleItem) -> LiveChange:
        in_stock = not item.in_stock
        sentence = f"{item.item_id} is back in stock" if in_stock else f"{item.item_id} is sold out"
        after = msgspec.structs.replace(item, in_stock=in_stock)
        return self._patch("stock", sentence, after, {"in_stock": in_stock})

    def _patch(self, action: Action, sentence: str, item: SampleItem, attributes: Attributes) -> LiveChange:
        self.items[item.item_id] = item
        change = CatalogChange(op="patch", item_id=item.item_id, attributes=attributes)
        return LiveChange(action=action, sentence=sentence, change=change, item=item)

    def _repaint(self, item: SampleItem) -> LiveChange:
        self._repainted += 1
        color = self._random.choice(sorted(set(COLOURS) - {item.color}))
        after = item.recoloured(color, self._pictures / f"{item.item_id}-{color}-{self._repainted}.jpg")
        save_picture(after, self._seed)
        self._discard(item.path)
        self.items[item.item_id] = after
        return _upsert("repainted", f"{item.item_id} has a new picture, now in {color}", after)

    def _withdraw(self, item: SampleItem) -> LiveChange:
        del self.items[item.item_id]
        self.withdrawn.append(item)
        if len(self.withdrawn) > MOST_WITHDRAWN:
            self._discard(self.withdrawn.popleft().path)
        change = CatalogChange(op="delete", item_id=item.item_id)
        return LiveChange(action="withdrawn", sentence=f"withdrew {item.item_id}", change=change, item=item)

    def _discard(self, picture: Path) -> None:
        if picture.parent != self._pictures:
            return
        self._stale.append(picture)
        if len(self._stale) > MOST_STALE_PICTURES:
            self._stale.popleft().unlink(missing_ok=True)


def live_changes(items: Iterable[SampleItem], folder: Path, seed: int) -> Iterator[LiveChange]:
    """Changes without end to a catalogue that has these items, the same for the same seed; one is drawn when asked for.

    New pictures are written to `folder/live`.
    """
    pictures = folder / "live"
    pictures.mkdir(parents=True, exist_ok=True)
    catalog = LiveCatalog(items, pictures, seed)
    while True:
        yield catalog.step()


def _upsert(action: Action, sentence: str, item: SampleItem) -> LiveChange:
    return LiveChange(action=action, sentence=sentence, change=item.change(), item=item)
