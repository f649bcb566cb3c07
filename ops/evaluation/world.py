"""What is left to judge by without the pictures that cannot be embedded: who asks, who is found, what is relevant."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from embedder.evaluation.popularity import frequencies, popular_half
from embedder.evaluation.relevance import AttributeRelevance, JudgedRelevance, Relevance, numbered
from embedder.evaluation.retrieval import Judging
from ops.evaluation.division import Division
from ops.evaluation.embedding import Float32Array, Vectors
from ops.evaluation.judgement_file import Judgements
from ops.evaluation.pictures import Picture
from ops.evaluation.plan import EvaluationPlan
from ops.evaluation.report import ALL, CATEGORY, POPULAR, RARE
from schemas.errors import InputError

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


class World(NamedTuple):
    """`pictures` are those that every model took; `same` (n,) numbers what is the same picture; `vectors` has an array
    (n, dimension) per model; `queries` and `gallery` are rows of them; `parts` marks queries (q,) by part; `clusters`
    (q,) numbers the products of the queries; `left_out` says why others were left out."""

    pictures: list[Picture]
    same: IntArray
    vectors: list[Float32Array]
    queries: IntArray
    gallery: IntArray
    relevance: Relevance
    parts: dict[str, BoolArray]
    clusters: IntArray
    left_out: list[str]

    def judging(self, plan: EvaluationPlan, shown: int) -> Judging:
        """How a model is judged here."""
        return Judging(
            pictures=self.same,
            queries=self.queries,
            gallery=self.gallery,
            relevance=self.relevance,
            depths=plan.depths,
            relevant_from=plan.relevant_from,
            gain=plan.gain,
            shown=shown,
        )


def make_world(
    everything: Sequence[Picture],
    division: Division,
    needed: IntArray,
    made: Sequence[Vectors],
    plan: EvaluationPlan,
    judgements: Judgements | None,
) -> World:
    """`needed` are the rows of `everything` that were embedded, in the order of each model's vectors.

    Raises:
        InputError: no query, or nothing to find, is left.
    """
    refused = {row: why for vectors in reversed(made) for row, why in vectors.refused.items()}
    kept = np.array([row for row in range(len(needed)) if row not in refused], dtype=np.int64)
    rows = needed[kept]
    pictures = [everything[row] for row in rows.tolist()]
    queries = np.flatnonzero(np.isin(rows, division.queries))
    gallery = np.flatnonzero(np.isin(rows, division.gallery))
    left_out = [refused[row] for row in sorted(refused)]
    if not len(queries) or len(gallery) < 2:
        raise InputError(f"no picture is left to judge by; the first: {left_out[0] if left_out else 'none'}")
    popularity = _popularity(everything, plan)[rows[queries]]
    groups = numbered([picture.group for picture in pictures])
    return World(
        pictures=pictures,
        same=numbered([made[0].fingerprints[row] for row in kept.tolist()]),
        vectors=[vectors.vectors[kept] for vectors in made],
        queries=queries,
        gallery=gallery,
        relevance=_relevance(pictures, groups, plan, judgements),
        parts=_parts([pictures[row].category for row in queries.tolist()], popularity),
        clusters=groups[queries],
        left_out=left_out,
    )


def _relevance(
    pictures: list[Picture], groups: IntArray, plan: EvaluationPlan, judgements: Judgements | None
) -> Relevance:
    if judgements is not None:
        return JudgedRelevance([picture.item_id for picture in pictures], judgements)
    categories = numbered([picture.category for picture in pictures])
    return AttributeRelevance(categories, groups, plan.category_grade, plan.group_grade)


def _popularity(everything: Sequence[Picture], plan: EvaluationPlan) -> npt.NDArray[np.float64]:
    """By the column that was named, else by how many pictures of the whole source have the category."""
    if plan.popularity is None:
        return frequencies(numbered([picture.category for picture in everything]))
    return np.array([np.nan if p.popularity is None else p.popularity for p in everything])


def _parts(categories: list[str | None], popularity: npt.NDArray[np.float64]) -> dict[str, BoolArray]:
    parts = {ALL: np.ones(len(categories), dtype=np.bool_)}
    if not np.isnan(popularity).all():
        popular = popular_half(popularity)
        parts |= {POPULAR: popular, RARE: ~popular & ~np.isnan(popularity)}
    for category in sorted({category for category in categories if category is not None}):
        parts[CATEGORY + category] = np.array([one == category for one in categories], dtype=np.bool_)
    return parts
