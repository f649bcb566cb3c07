"""Who asks and who is found: the queries and the gallery of an evaluation."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from embedder.evaluation.held_out import held_out_by_group, held_out_by_time
from ops.evaluation.judgement_file import Judgements
from ops.evaluation.pictures import Picture
from ops.evaluation.plan import EvaluationPlan, Gallery, Split
from schemas.errors import InputError

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
LEAST_QUERIES, LEAST_GALLERY = 1, 2


class Division(NamedTuple):
    """`queries` and `gallery` are rows of the pictures, in order; `held_out` counts what the split holds out."""

    split: Literal["group", "time"]
    gallery_kind: Gallery
    held_out: int
    queries: IntArray
    gallery: IntArray


def divide(pictures: list[Picture], plan: EvaluationPlan, judgements: Judgements | None) -> Division:
    """Held-out pictures ask, and find each other, unless the plan says otherwise; with judgements the judged items ask.

    Raises:
        InputError: nobody is left to ask or to be found.
    """
    by_time = splits_by_time(pictures, plan.split)
    marks = held_out_marks(pictures, plan.share, plan.seed, by_time=by_time)
    kind: Gallery = plan.gallery or ("held-out" if judgements is None else "all")
    asking = marks
    if judgements is not None:
        asking = np.array([picture.item_id in judgements for picture in pictures], dtype=np.bool_)
        asking = asking if kind == "all" else asking & marks
    found = {"held-out": marks, "rest": ~marks, "all": np.ones_like(marks)}[kind]
    queries, gallery = np.flatnonzero(asking), np.flatnonzero(found)
    if plan.most_queries is not None and len(queries) > plan.most_queries:
        chosen = np.random.default_rng(plan.seed).choice(len(queries), plan.most_queries, replace=False)
        queries = queries[np.sort(chosen)]
    _check(len(queries), len(gallery), len(pictures), plan)
    return Division("time" if by_time else "group", kind, int(marks.sum()), queries, gallery)


def splits_by_time(pictures: Sequence[Picture], split: Split) -> bool:
    """Whether the newest are held out: as the split says, or, where it does not, when all have a time."""
    return split == "time" or (split == "auto" and all(picture.time_us is not None for picture in pictures))


def held_out_marks(pictures: Sequence[Picture], share: float, seed: int, *, by_time: bool) -> BoolArray:
    """Marks (n,) of the pictures that are held out; the same ones for whoever trains and whoever judges."""
    groups = [picture.group for picture in pictures]
    if by_time:
        return held_out_by_time(groups, [picture.time_us for picture in pictures], share)
    return held_out_by_group(groups, share, seed)


def _check(queries: int, gallery: int, pictures: int, plan: EvaluationPlan) -> None:
    if queries < LEAST_QUERIES and plan.judgements is not None:
        raise InputError(f"none of the queries in {plan.judgements} is an item of {plan.source} that may ask")
    if queries < LEAST_QUERIES or gallery < LEAST_GALLERY:
        raise InputError(
            f"{queries} pictures ask and {gallery} can be found: {pictures} pictures and a share of {plan.share:g} are "
            "too few; raise --share, or choose another --gallery"
        )
