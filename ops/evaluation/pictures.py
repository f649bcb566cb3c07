"""The pictures a model is judged by, with what their items say of them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from embedder.evaluation.held_out import group_key
from ops.catalog_sources import BadRow, open_source
from ops.evaluation.plan import EvaluationPlan
from schemas.changes import CatalogChange
from schemas.errors import InputError


class Picture(NamedTuple):
    """One picture of an item; `name` is the item's id, with a number behind it where the item has several pictures.

    `group` keeps the pictures of one product together; `popularity` is None where the table says none.
    """

    name: str
    item_id: str
    ref: str
    category: str | None
    group: str
    popularity: float | None
    time_us: int | None


class Catalogue(NamedTuple):
    """The pictures by name, and what the source has that cannot be read, in words."""

    pictures: list[Picture]
    bad_rows: list[str]


def read_catalogue(plan: EvaluationPlan, *, labelled: bool = True) -> Catalogue:
    """Read all of the source; of several rows of one item the last one counts. Unless `labelled` is wanted, nothing
    need say what is relevant.

    Raises:
        InputError: the source cannot be read, has no pictures, or lacks what the plan asks of its items.
    """
    changes: dict[str, CatalogChange] = {}
    bad: list[str] = []
    for said in open_source(plan.source):
        if isinstance(said, BadRow):
            bad.append(f"{said.where}: {said.message}")
        else:
            changes[said.item_id] = said
    found = [picture for change in changes.values() for picture in _pictures(change, plan)]
    if not found:
        raise InputError(f"there is no picture in {plan.source}", code="empty_source", bad_rows=bad[:5])
    _check(found, plan, labelled)
    return Catalogue(sorted(found, key=lambda picture: picture.name), bad)


def _pictures(change: CatalogChange, plan: EvaluationPlan) -> Iterator[Picture]:
    attributes, images = change.attributes or {}, change.images or ()
    if change.op != "upsert":
        return
    group = _label(attributes.get(plan.group))
    popularity = None if plan.popularity is None else _number(attributes.get(plan.popularity), plan, change.item_id)
    for number, ref in enumerate(images, start=1):
        yield Picture(
            name=change.item_id if len(images) == 1 else f"{change.item_id}#{number}",
            item_id=change.item_id,
            ref=ref,
            category=_label(attributes.get(plan.category)),
            group=group_key(change.item_id, group),
            popularity=popularity,
            time_us=change.time_us,
        )


def _label(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def _number(value: Any, plan: EvaluationPlan, item_id: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"--popularity {plan.popularity} must be a number, but {item_id} has {value!r:.60}")
    return float(value)


def _check(pictures: list[Picture], plan: EvaluationPlan, labelled: bool) -> None:
    """Raises InputError where no item has what the plan needs."""
    if plan.popularity is not None and all(p.popularity is None for p in pictures):
        raise InputError(f"--popularity {plan.popularity}: no item has such a column or attribute")
    if plan.split == "time" and all(p.time_us is None for p in pictures):
        raise InputError("--split time needs a column event_time, and no item has one; --split group does without")
    grouped = len({p.group for p in pictures}) < len(pictures)
    if labelled and plan.judgements is None and not grouped and all(p.category is None for p in pictures):
        raise InputError(
            f"nothing says what is relevant: no item has a `{plan.category}`, no two a common `{plan.group}`; name the "
            "columns with --category or --group, put the pictures into a folder per category, or give --judgements"
        )
