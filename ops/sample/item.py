"""One item of the sample shop: what it is, what it costs, and the change that announces it."""

from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec

from ops.sample.palette import COLOURS
from ops.sample.patterns import PATTERNS
from schemas.changes import Attributes, CatalogChange

COLOURS_PER_DESIGN = 3


class Kind(NamedTuple):
    """A kind of goods: the range of its prices, and whether it is shown standing on the ground."""

    cheapest: float
    dearest: float
    stands: bool = False


KINDS: dict[str, Kind] = {
    "t-shirt": Kind(9, 35),
    "mug": Kind(6, 18, stands=True),
    "sneaker": Kind(39, 120, stands=True),
    "chair": Kind(45, 180, stands=True),
    "dress": Kind(29, 140),
    "lamp": Kind(25, 110, stands=True),
    "handbag": Kind(35, 190, stands=True),
    "plant-pot": Kind(12, 45, stands=True),
    "hat": Kind(15, 60),
    "guitar": Kind(90, 480),
    "trousers": Kind(29, 95),
    "clock": Kind(18, 70),
    "umbrella": Kind(14, 48),
    "sofa": Kind(280, 990, stands=True),
    "jumper": Kind(25, 95),
    "vase": Kind(14, 70, stands=True),
    "boot": Kind(55, 190, stands=True),
    "cushion": Kind(12, 39),
    "backpack": Kind(35, 120, stands=True),
    "skirt": Kind(19, 75),
    "teapot": Kind(18, 65, stands=True),
    "cap": Kind(9, 32),
    "sock": Kind(4, 14),
    "shorts": Kind(15, 49),
}

BRANDS = ("Tarrow", "Quillon", "Brambleby", "Velmora", "Pinnegar", "Lunt & Daughter", "Hask", "Oddwick")

_NAMES = {"plant-pot": "plant pot", "trousers": "pair of trousers", "shorts": "pair of shorts"}
_ADJECTIVES = {
    "plain": "plain",
    "stripes": "striped",
    "pinstripes": "pinstriped",
    "dots": "dotted",
    "checks": "checked",
    "chevrons": "chevron",
    "argyle": "argyle",
    "floral": "floral",
    "stars": "starry",
}


class SampleItem(msgspec.Struct, frozen=True, kw_only=True):
    """An item as the shop's own table has it; `group_id` joins the colours of one design, `path` is its picture."""

    item_id: str
    title: str
    category: str
    color: str
    pattern: str
    brand: str
    price: float
    in_stock: bool
    group_id: str
    path: Path

    def attributes(self) -> Attributes:
        """What shoppers filter by and see."""
        return {
            "title": self.title,
            "category": self.category,
            "color": self.color,
            "pattern": self.pattern,
            "brand": self.brand,
            "price": self.price,
            "in_stock": self.in_stock,
            "group_id": self.group_id,
        }

    def change(self) -> CatalogChange:
        """The upsert that announces this item, picture and all."""
        return CatalogChange(
            op="upsert",
            item_id=self.item_id,
            images=(self.path.absolute().as_uri(),),
            attributes=self.attributes(),
        )

    def recoloured(self, color: str, path: Path) -> "SampleItem":
        """The item with a new picture of another colour."""
        title = _title(self.brand, self.pattern, self.category, color)
        return msgspec.structs.replace(self, color=color, title=title, path=path)


def sample_item(number: int, seed: int, folder: Path) -> SampleItem:
    """The item of this number: the same for the same seed, however many are drawn before or after it."""
    kind = list(KINDS)[number % len(KINDS)]
    of_kind = number // len(KINDS)
    group_id = f"{kind}-design-{of_kind // COLOURS_PER_DESIGN + 1}"
    design = Random(f"{seed}/{group_id}/design")  # noqa: S311 - a drawing, not a secret
    brand, pattern = design.choice(BRANDS), design.choice(["plain", *PATTERNS])
    color = design.sample(sorted(COLOURS), COLOURS_PER_DESIGN)[of_kind % COLOURS_PER_DESIGN]
    item_id = f"{kind}-{number:04d}"
    own = Random(f"{seed}/{item_id}/offer")  # noqa: S311
    return SampleItem(
        item_id=item_id,
        title=_title(brand, pattern, kind, color),
        category=kind,
        color=color,
        pattern=pattern,
        brand=brand,
        price=sample_price(kind, own),
        in_stock=own.random() < 0.85,
        group_id=group_id,
        path=folder / f"{item_id}.jpg",
    )


def sample_price(kind: str, random: Random) -> float:
    """A price such as shops ask for this kind of goods: 90 cents to the next whole one."""
    return round(round(random.uniform(KINDS[kind].cheapest, KINDS[kind].dearest)) - 0.1, 2)


def _title(brand: str, pattern: str, kind: str, color: str) -> str:
    return f"{brand} {_ADJECTIVES[pattern]} {_NAMES.get(kind, kind)} in {color}"
